"""The master key is made once, kept from others, and never made anew in silence."""

from __future__ import annotations

import base64
import stat
from pathlib import Path
from threading import Thread

import pytest
from pydantic import SecretStr

from narthex.config.audit_settings import SecretsSettings
from narthex.errors import MasterKeyUnusable
from narthex.stores.master_keys import MasterKeys, key_id, master_keys

ONE, OTHER = bytes(32), bytes(range(32))


def _in_file(folder: Path) -> MasterKeys:
    return master_keys(SecretsSettings(), folder)


def test_a_key_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """Nobody else can read it, and it is the same when it is looked for again."""
    made = _in_file(tmp_path / "new").make()
    path = tmp_path / "new" / "master.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert _in_file(tmp_path / "new").make() == made
    assert [file.name for file in path.parent.iterdir()] == ["master.key"]


def test_processes_that_start_together_have_one_key(tmp_path: Path) -> None:
    """Whoever is first has made it for all."""
    made: list[bytes] = []
    threads = [Thread(target=lambda: made.append(_in_file(tmp_path).make())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The error names the file and the remedy."""
    _in_file(tmp_path).make()
    (tmp_path / "master.key").chmod(0o640)
    with pytest.raises(MasterKeyUnusable, match=r"can be read by others \(mode 0640\): chmod 600 .*master\.key"):
        _in_file(tmp_path).all()


@pytest.mark.parametrize("text", ["", "hunter2\n", "AAAA\n", base64.b64encode(ONE).decode() + "\nrest\n", "\xff"])
def test_a_file_that_holds_no_keys_is_refused(tmp_path: Path, text: str) -> None:
    """What is in it is never told."""
    path = tmp_path / "master.key"
    path.write_bytes(text.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(MasterKeyUnusable, match=r"holds no master keys|cannot be read") as caught:
        _in_file(tmp_path).all()
    assert "hunter2" not in str(caught.value)


def test_a_new_key_comes_first_and_the_old_one_stays(tmp_path: Path) -> None:
    """Until the old one is let go both open what they sealed; others read the file again by themselves."""
    keys, elsewhere = _in_file(tmp_path), _in_file(tmp_path)
    old = keys.make()
    assert elsewhere.newest() == old
    new = keys.add()
    assert keys.all() == elsewhere.all() == (new, old)
    assert elsewhere.with_id(key_id(old)) == old
    keys.keep_newest()
    assert elsewhere.all() == (new,)
    assert elsewhere.with_id(key_id(old)) is None
    assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600


def test_keys_of_the_configuration_are_taken_in_their_order(tmp_path: Path) -> None:
    """In base64 and in hexadecimal; they are changed where they stand, and no file is made."""
    given = SecretsSettings(
        master_key=SecretStr(base64.urlsafe_b64encode(OTHER).decode().rstrip("=")),
        previous_master_keys=(SecretStr(ONE.hex()),),
    )
    keys = master_keys(given, tmp_path)
    assert keys.make() == OTHER
    assert keys.all() == (OTHER, ONE)
    with pytest.raises(MasterKeyUnusable, match="previous_master_keys"):
        keys.add()
    assert list(tmp_path.iterdir()) == []


def test_without_a_key_nothing_is_sealed(tmp_path: Path) -> None:
    """The error says what is missing."""
    with pytest.raises(MasterKeyUnusable, match=r"master\.key is missing"):
        _in_file(tmp_path).newest()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Not as a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(MasterKeyUnusable, match="cannot be"):
        _in_file(tmp_path / "file").make()


def test_of_keys_made_at_once_none_is_lost(tmp_path: Path) -> None:
    """Something may be sealed under each of them already."""
    _in_file(tmp_path).make()
    made: list[bytes] = []

    def add() -> None:
        keys = _in_file(tmp_path)
        keys.all()
        with keys.changing():
            made.append(keys.add())

    threads = [Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(_in_file(tmp_path).all()) == 9
    assert set(made) < set(_in_file(tmp_path).all())


def test_keys_of_the_configuration_need_no_file_to_be_changed() -> None:
    """There is nothing that others could write."""
    keys = master_keys(SecretsSettings(master_key=SecretStr("1" * 64)), Path("/nowhere"))
    with keys.changing():
        assert len(keys.all()) == 1


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The error names the file."""
    with (
        pytest.raises(MasterKeyUnusable, match=r"folder of the master key .*master\.key"),
        _in_file(tmp_path / "none").changing(),
    ):
        pass
