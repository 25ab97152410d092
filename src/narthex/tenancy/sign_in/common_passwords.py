"""Passwords that are tried first: what lists of leaked ones have in common, among those that are long enough."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_LINES: Final = (
    "password passw0rd passwort motdepasse contrasena welcome letmein admin administrator superuser changeme",
    "default narthex dashboard gateway secret iloveyou sunshine princess football baseball basketball dragon",
    "monkey shadow master superman batman starwars trustno trustnoone whatever computer internet samsung",
    "google facebook microsoft windows charlie michael jennifer jordan hunter killer pokemon liverpool",
    "chelsea arsenal barcelona summer winter spring autumn monday friday january december hello freedom",
    "flower cheese cookie coffee banana orange purple login guest test testing temp temporary user root",
    "server database oracle mysql postgres company business manager correcthorsebatterystaple",
)
_STEMS: Final = frozenset(word for line in _LINES for word in line.split())
"""Words that are common passwords, and stay common with digits and marks around them, or twice in a row."""

_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "1234567890",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "qazwsxedcrfvtgbyhnujmikolp",
)
_LEET: Final = str.maketrans("0134578@$!", "oleastbasi")


def is_common(password: str) -> bool:
    """Tell whether a password is among those that are tried first, or one of them with a little around it."""
    plain = unicodedata.normalize("NFKC", password).casefold()
    inner = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", plain)
    return any(_is_poor(one) for one in {plain, plain.translate(_LEET), inner.translate(_LEET)})


def _is_poor(plain: str) -> bool:
    letters = "".join(one for one in plain if one.isalpha())
    packed = "".join(one for one in plain if one.isalnum())
    if len(set(packed)) < 4 or _is_repeated(packed) or _is_row(packed):
        return True
    return any(letters and not letters.replace(stem, "") for stem in _STEMS)


def _is_repeated(text: str) -> bool:
    """Tell whether a text is a short one over and over: `abcabcabcabc`."""
    return any(text == (text[:size] * len(text))[: len(text)] for size in range(1, min(7, len(text) // 2 + 1)))


def _is_row(text: str) -> bool:
    """Tell whether a text is keys in the order in which they lie, forwards or backwards."""
    return any(text in row * 2 or text in (row * 2)[::-1] for row in _ROWS)
