"""IDs of what is kept: a word that says what it is, and enough chance that no two are alike."""

from __future__ import annotations

import base64
import secrets
from hashlib import blake2b
from typing import Final

_RANDOM_BYTES: Final = 10
"""80 bits: 16 characters of base32."""


def new_id(prefix: str) -> str:
    """Return an ID such as `ws_mfrggzdfmztwq2lk`, for the prefix `ws`."""
    return f"{prefix}_{base64.b32encode(secrets.token_bytes(_RANDOM_BYTES)).decode().lower()}"


def mark_of(text: str, size_bytes: int) -> str:
    """Return what stands for a text in names of files, whatever is in it; not to hide it."""
    return blake2b(text.encode(), digest_size=size_bytes).hexdigest()


def files_of(owner: str) -> str:
    """Return how the names of all files of an owner begin."""
    return f"{mark_of(owner, 8)}-"
