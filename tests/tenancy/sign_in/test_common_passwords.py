"""What is guessed first."""

from __future__ import annotations

import pytest

from narthex.tenancy.sign_in.common_passwords import is_common


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "P@ssw0rd2026!",
        "qwertyuiop12"[:10] + "as",
        "123456789012",
        "abcabcabcabc",
        "aaaaaaaaaaaa",
        "letmeinletmein",
        "Administrator1!",
        "zyxwvutsrqponm",
        "1q2w3e4r5t6y",
        "!!!!!!!!!!!!",
    ],
)
def test_what_everybody_chooses_is_common(password: str) -> None:
    """Words of the lists, with digits and marks around them; repetitions; keys in a row."""
    assert is_common(password)


@pytest.mark.parametrize(
    "password",
    ["nine blue herons stand", "tq7-Zr!pw0_mk2", "корабль над крышей", "藍色の鷺が九羽立つ湖のほとり"],
)
def test_what_nobody_else_chooses_is_not(password: str) -> None:
    """Several words, or chance, in any script."""
    assert not is_common(password)
