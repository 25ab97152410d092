"""What recordings take up is counted for those whose they are."""

from __future__ import annotations

from pathlib import Path

from narthex.streams.recording import RecordingHead, head_line
from narthex.streams.recording_sizes import RecordingSizes, found_in
from narthex.types.accounts import Account

OURS = Account(organisation_id="org_1", workspace_id="ws_1")


class _Held:
    def __init__(self, held: dict[int, int], amount: int) -> None:
        self._held = held
        held[id(self)] = amount

    def grow(self, amount: int) -> bool:
        return amount < 0

    def settle(self, amount: int) -> None:
        self._held[id(self)] = amount

    def release(self) -> None:
        del self._held[id(self)]


class _Storage:
    def __init__(self) -> None:
        self.held: dict[Account, dict[int, int]] = {}

    def hold(self, account: Account, amount: int) -> _Held:
        return self.count(account, amount)

    def count(self, account: Account, amount: int) -> _Held:
        return _Held(self.held.setdefault(account, {}), amount)

    def of(self, account: Account) -> int:
        """Return what an account has."""
        return sum(self.held.get(account, {}).values())


def recording(file: Path, account: Account, more: bytes = b"") -> int:
    """Write a recording, and return its size."""
    head = RecordingHead(
        id="a",
        owner="o",
        dialect="openai.chat",
        model="m",
        created_at=1,
        recorded_at=1,
        first_seq=1,
        organisation_id=account.organisation_id,
        workspace_id=account.workspace_id,
    )
    return file.write_bytes(head_line(head) + more)


def test_files_that_come_grow_and_go_are_counted(tmp_path: Path) -> None:
    """Those that are being written, and those that are no recordings, are left out."""
    sizes, storage = RecordingSizes(), _Storage()
    sizes.storage = storage

    def look() -> tuple[int, int]:
        sizes.adopt(found_in(tmp_path, sizes.known, {tmp_path / "busy.jsonl.part"}))
        return storage.of(OURS), storage.of(Account())

    one, cut = tmp_path / "one.jsonl", tmp_path / "cut.jsonl.part"
    recording(tmp_path / "busy.jsonl.part", OURS)
    (tmp_path / "other.jsonl").write_bytes(b"{}")
    assert look() == (0, 0)
    ours, theirs = recording(one, OURS), recording(cut, Account())
    assert look() == (ours, theirs)
    longer = recording(one, OURS, b"more")
    assert look() == (longer, theirs)
    cut.unlink()
    assert look() == (longer, 0)
    one.unlink()
    assert look() == (0, 0)


def test_without_anybody_who_counts_there_is_room(tmp_path: Path) -> None:
    """Nothing is asked."""
    sizes = RecordingSizes()
    recording(tmp_path / "one.jsonl", OURS)
    known: dict[Path, Account] = {}
    for _ in range(2):
        sizes.adopt(found_in(tmp_path, known, ()))
        known = sizes.known
        assert known == {tmp_path / "one.jsonl": OURS}
