"""Whose answers go when a person is erased."""

from __future__ import annotations

import pytest

from narthex.cache.erasing import is_erased
from narthex.stores.database.erasures import ErasedNames, Kind, erasure
from tests.cache.kept import ENTRY, entry


class Sealer:
    """A sealer with one key."""

    def mac_key(self, _: str) -> bytes:
        """Return it."""
        return b"k" * 32


def erased(kind: Kind, name: str, organisation_id: str = "") -> ErasedNames:
    """Return the names of somebody who was erased just after the entry of these tests was made."""
    names = ErasedNames(Sealer())  # type: ignore[arg-type]  # all that is asked of one
    names.adopt([erasure(names.mark(kind, name, organisation_id), "erased", ENTRY.made_ms)])
    return names


@pytest.mark.parametrize(
    ("kind", "name", "organisation_id", "tag", "goes"),
    [
        ("actor", "usr_1", "", "user:usr_1", True),
        ("actor", "key_1", "", "key:key_1", True),
        ("actor", "usr_1", "", "user:usr_2", False),
        ("end_user", "eve:x", "", "end-user:ws:eve:x", True),
        ("end_user", "eve", "org", "end-user:ws:eve", True),
        ("end_user", "eve", "org_2", "end-user:ws:eve", False),
        ("end_user", "eve", "", "tag:workspace:ws:eve", False),
    ],
)
def test_answers_go_with_the_person(kind: Kind, name: str, organisation_id: str, tag: str, goes: bool) -> None:
    """A user's, those of their keys, and an end user's: everywhere, or in the organisation that erased them."""
    names = erased(kind, name, organisation_id)
    assert is_erased(entry(tags=(tag,)), names, lambda workspace_id: "org" if workspace_id == "ws" else "") is goes


def test_who_comes_anew_is_somebody_else() -> None:
    """What was asked for long after stays."""
    names = erased("actor", "usr_1")
    assert not is_erased(entry(tags=("user:usr_1",), made_ms=names.until + 10_000), names, lambda _: "")
