"""Names and old lines go out of request logs that were written."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from narthex.telemetry.metrics import Metrics
from narthex.telemetry.redaction import drop_before, drop_of_workspaces, redact, rename_keys
from narthex.telemetry.request_log import RequestLog


def _line(at: float, key: str) -> str:
    return json.dumps({"at": at, "request_id": f"r{at}", "key": key}) + "\n"


def _keys(path: Path) -> list[str]:
    return [json.loads(line)["key"] for line in path.read_text().splitlines() if line.startswith("{")]


def test_a_word_stands_for_the_name(tmp_path: Path) -> None:
    """In rotated files too; what is damaged, or of others, stays byte for byte."""
    now, older = tmp_path / "requests.jsonl", tmp_path / "requests.1.jsonl"
    now.write_text(_line(1, "Ada") + _line(2, "other") + "damaged\n")
    older.write_text(_line(0, "Ada"))
    assert redact(tmp_path, {"Ada"}, instead="erased") == 2
    assert (_keys(now), _keys(older)) == (["erased", "other"], ["erased"])
    assert now.read_text().endswith(_line(2, "other") + "damaged\n")
    assert now.stat().st_mode & 0o777 == 0o600
    assert redact(tmp_path, {"Ada"}, instead="erased") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["requests.1.jsonl", "requests.jsonl"]


def test_old_lines_go(tmp_path: Path) -> None:
    """The others stay in their order; without a folder there is nothing to do."""
    path = tmp_path / "requests.jsonl"
    path.write_text(_line(1, "a") + _line(5, "b") + _line(3, "c") + _line(9, "d"))
    assert drop_before(tmp_path, 4) == 2
    assert _keys(path) == ["b", "d"]
    assert drop_before(tmp_path / "none", 4) == 0


def test_lines_of_workspaces_go_by_their_own_time(tmp_path: Path) -> None:
    """Those of others stay, and so do those of nobody, however old they are."""
    path = tmp_path / "requests.jsonl"
    lines = [{"at": at, "key": f"{where}{at}", "workspace": where} for at in (1, 5) for where in ("a", "b", "c")]
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"at": 0, "key": "none"}]))
    assert drop_of_workspaces(tmp_path, {"a": 4, "b": 9}) == 3
    assert _keys(path) == ["c1", "a5", "c5", "none"]
    assert drop_of_workspaces(tmp_path, {}) == drop_of_workspaces(tmp_path / "none", {"a": 1}) == 0


def test_lines_that_are_written_meanwhile_are_not_lost(tmp_path: Path) -> None:
    """Whoever writes the log waits until it is another file."""
    log = RequestLog(tmp_path, max_file_bytes=10**9, keep_files=1, metrics=Metrics())
    written = [_line(number, "a").encode() for number in range(300)]

    def write() -> None:
        for line in written:
            log._write(bytearray(line))

    thread = threading.Thread(target=write)
    thread.start()
    while thread.is_alive():
        redact(tmp_path, {"a"}, instead="b")
    thread.join()
    redact(tmp_path, {"a"}, instead="b")
    assert len(_keys(tmp_path / "requests.jsonl")) == len(written)


def test_names_of_keys_are_changed_by_when_a_call_began(tmp_path: Path) -> None:
    """What has no time or no name stays as it is."""
    lines = [{"at": at, "key": "ann"} for at in (1.0, 2.0)] + [{"at": 1.0, "key": "bob"}, {"key": "ann"}]
    (tmp_path / "requests.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert rename_keys(tmp_path, lambda name, at: "gone" if (name, at) == ("ann", 1.0) else name) == 1
    told = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["key"] for line in told] == ["gone", "ann", "bob", "ann"]
