"""The form of virtual keys: `sk-nx-`, an ID to know them by, a secret, and a checksum.

    sk-nx-<12 characters ID>-<43 characters secret><6 characters checksum>

The secret holds 256 bits, so that a keyed hash is enough to hold it by. The checksum tells a mistyped key from one that
is not known, and lets those who search for leaked secrets find keys without asking anybody.
"""

from __future__ import annotations

import secrets
import zlib
from typing import Final

PREFIX: Final = "sk-nx-"
"""What every virtual key begins with."""

_PREFIX: Final = PREFIX.encode()
_ID_CHARACTERS: Final = 12
_SECRET_BYTES: Final = 32
_SECRET_CHARACTERS: Final = 43
_CHECK_CHARACTERS: Final = 6
_LENGTH: Final = len(PREFIX) + _ID_CHARACTERS + 1 + _SECRET_CHARACTERS + _CHECK_CHARACTERS
_DIGITS: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def new_key(key_id: str) -> str:
    """Return a new key for the row of this ID, such as `key_mfrggzdfmztwq2lk`."""
    body = f"{shown(key_id)}-{secrets.token_urlsafe(_SECRET_BYTES)}"
    return body + _checksum(body.encode()).decode()


def shown(key_id: str) -> str:
    """Return what may be shown of the key of a row: how it begins."""
    return PREFIX + key_id.partition("_")[2][:_ID_CHARACTERS]


def begin_of(key: bytes) -> str:
    """Return what may be shown of a key that somebody presents: how it begins, if it is a virtual one; else nothing."""
    if not is_virtual(key):
        return ""
    return key[: len(PREFIX) + _ID_CHARACTERS].decode("ascii", "replace")


def is_virtual(key: bytes) -> bool:
    """Tell whether this is meant to be a virtual key."""
    return key.startswith(_PREFIX)


def is_mistyped(key: bytes) -> bool:
    """Tell whether what is meant to be a virtual key is none: too long or short, or its checksum does not fit."""
    return len(key) != _LENGTH or _checksum(key[:-_CHECK_CHARACTERS]) != key[-_CHECK_CHARACTERS:]


def _checksum(body: bytes) -> bytes:
    value, digits = zlib.crc32(body), bytearray()
    for _ in range(_CHECK_CHARACTERS):
        value, place = divmod(value, len(_DIGITS))
        digits.insert(0, _DIGITS[place])
    return bytes(digits)
