"""The form of virtual keys."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from narthex.tenancy.virtual_keys import is_mistyped, is_virtual, new_key, shown

KEY = new_key("key_mfrggzdfmztwq2lk").encode()


def test_a_key_has_its_form() -> None:
    """It tells by its beginning what it is and which, and no two are alike."""
    assert re.fullmatch(rb"sk-nx-mfrggzdfmztw-[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}", KEY)
    assert shown("key_mfrggzdfmztwq2lk") == "sk-nx-mfrggzdfmztw"
    assert is_virtual(KEY)
    assert not is_virtual(b"sk-proj-1")
    assert not is_mistyped(KEY)
    assert new_key("key_mfrggzdfmztwq2lk") != new_key("key_mfrggzdfmztwq2lk")


@given(st.integers(0, len(KEY) - 1), st.sampled_from(b"abcXYZ019-_"))
def test_a_wrong_character_is_noticed(place: int, byte: int) -> None:
    """Whichever character is another one, the checksum does not fit."""
    changed = KEY[:place] + bytes([byte]) + KEY[place + 1 :]
    assert is_mistyped(changed) is (changed != KEY)


@given(st.integers(0, len(KEY) - 1))
def test_a_key_that_is_cut_is_noticed(length: int) -> None:
    """A key without its end, and one with too much of it, are mistyped."""
    assert is_mistyped(KEY[:length])
    assert is_mistyped(KEY + b"x")


@given(st.integers(0, len(KEY) - 2))
def test_two_characters_the_other_way_round_are_noticed(place: int) -> None:
    """Neighbours that changed places are noticed too."""
    changed = KEY[:place] + KEY[place + 1 : place + 2] + KEY[place : place + 1] + KEY[place + 2 :]
    assert is_mistyped(changed) is (changed != KEY)
