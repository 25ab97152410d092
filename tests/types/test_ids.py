"""IDs."""

from __future__ import annotations

import re

from narthex.types.ids import files_of, mark_of, new_id


def test_an_id_says_what_it_is_for() -> None:
    """The prefix, then 16 characters that are safe in addresses and commands."""
    assert re.fullmatch(r"ws_[a-z2-7]{16}", new_id("ws"))


def test_no_two_ids_are_alike() -> None:
    """They are made by chance, not by count."""
    assert len({new_id("key") for _ in range(10_000)}) == 10_000


def test_files_of_owners_are_told_apart() -> None:
    """By how their names begin, whatever an owner is called; the same in every process."""
    assert files_of("workspace:ws_a") == files_of("workspace:ws_a") != files_of("workspace:ws_b")
    assert files_of("../\0*") == f"{mark_of('../' + chr(0) + '*', 8)}-"
    assert len(files_of("key:local")) == 17
