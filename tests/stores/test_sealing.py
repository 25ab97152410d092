"""What is sealed opens with the master key, where it belongs, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.config.audit_settings import SecretsSettings
from narthex.errors import MasterKeyUnusable, SealBroken
from narthex.stores.database import Database
from narthex.stores.master_keys import MasterKeys, master_keys
from narthex.stores.sealing import Sealer, begin_sealing

ONE, OTHER = bytes(32), bytes(range(32))


def _sealer(*keys: bytes) -> Sealer:
    return Sealer(MasterKeys(lambda: keys, where="here"))


@given(st.binary(max_size=300), st.text(max_size=30))
def test_what_is_sealed_opens_again(plain: bytes, binding: str) -> None:
    """Any bytes; two records of the same are not alike, and show nothing."""
    sealer = _sealer(ONE)
    sealed = sealer.seal(plain, binding=binding)
    assert sealer.open(sealed, binding=binding) == plain
    assert sealed != sealer.seal(plain, binding=binding)
    assert len(plain) < 4 or plain not in sealed


@given(st.data())
def test_no_changed_byte_goes_unseen(data: st.DataObject) -> None:
    """Nor is a record that is cut, or one byte longer."""
    sealer = _sealer(ONE)
    sealed = sealer.seal(b"a secret", binding="secrets:sec_1")
    at = data.draw(st.integers(0, len(sealed) - 1))
    changed = sealed[:at] + bytes([sealed[at] ^ data.draw(st.integers(1, 255))]) + sealed[at + 1 :]
    for wrong in (changed, sealed[:at], sealed + b"\0"):
        with pytest.raises((SealBroken, MasterKeyUnusable)):
            sealer.open(wrong, binding="secrets:sec_1")


def test_a_value_does_not_open_in_another_row() -> None:
    """Swapped values are found out."""
    sealer = _sealer(ONE)
    with pytest.raises(SealBroken):
        sealer.open(sealer.seal(b"a secret", binding="secrets:sec_1"), binding="secrets:sec_2")


def test_a_new_master_key_wraps_anew_and_touches_no_secret() -> None:
    """Old records open meanwhile, and open without the old key afterwards."""
    sealed = _sealer(ONE).seal(b"a secret", binding="x")
    both = _sealer(OTHER, ONE)
    assert both.open(sealed, binding="x") == b"a secret"
    anew = both.rewrapped(sealed)
    assert anew is not None
    assert both.rewrapped(anew) is None
    assert anew[-24:] == sealed[-24:], "the secret itself was touched"
    assert _sealer(OTHER).open(anew, binding="x") == b"a secret"
    with pytest.raises(MasterKeyUnusable, match="not among those of here"):
        _sealer(OTHER).open(sealed, binding="x")


def test_the_first_start_makes_the_keys_and_the_next_ones_find_them(database: Database, tmp_path: Path) -> None:
    """Keys for hashes are the same at every start, and differ from purpose to purpose."""
    keys = master_keys(SecretsSettings(), tmp_path / "keys")
    first = database.write_now(lambda connection: begin_sealing(connection, keys))
    again = database.write_now(
        lambda connection: begin_sealing(connection, master_keys(SecretsSettings(), tmp_path / "keys"))
    )
    assert first.mac_key("a") == again.mac_key("a") != first.mac_key("b")
    assert len(first.mac_key("a")) == 32
    assert again.open(first.seal(b"x", binding="b"), binding="b") == b"x"


def test_a_lost_master_key_is_never_made_anew(database: Database, tmp_path: Path) -> None:
    """The error says which one is missing and where it belongs."""
    database.write_now(lambda connection: begin_sealing(connection, master_keys(SecretsSettings(), tmp_path / "a")))
    with pytest.raises(MasterKeyUnusable, match=r"is lost: .*b/master\.key is missing; put back"):
        database.write_now(lambda connection: begin_sealing(connection, master_keys(SecretsSettings(), tmp_path / "b")))
    assert not (tmp_path / "b").exists()


def test_another_master_key_is_refused(database: Database, tmp_path: Path) -> None:
    """Nothing is sealed under it."""
    database.write_now(lambda connection: begin_sealing(connection, master_keys(SecretsSettings(), tmp_path / "a")))
    other = master_keys(SecretsSettings(), tmp_path / "b")
    other.make()
    with pytest.raises(MasterKeyUnusable, match="is not the master key of this database"):
        database.write_now(lambda connection: begin_sealing(connection, other))


def test_keys_for_hashes_need_a_database() -> None:
    """They are not made of the master key: they outlive it."""
    with pytest.raises(MasterKeyUnusable):
        _sealer(ONE).mac_key("a")


def test_nothing_slow_is_loaded_before_something_is_sealed() -> None:
    """A server that seals nothing starts without the library."""
    code = "import sys, narthex.stores.sealing, narthex.audit; print({'cryptography', 'sqlalchemy'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"
