"""Seals secrets at rest: what stands in the database opens with the master key alone, and where it belongs.

Each record has a data key of its own (AES-256-GCM), and that is wrapped by the master key whose ID stands in the
record. Changing the master key therefore wraps data keys anew, and touches no secret. What a record belongs to, its
table and ID, goes into the check, so a value that is moved to another row does not open there.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from narthex.errors import MasterKeyUnusable, SealBroken
from narthex.stores.database import exclusively
from narthex.stores.master_keys import KeyId, MasterKeys, key_id

if TYPE_CHECKING:
    from sqlalchemy import Connection

_MAGIC: Final = b"nx1"
_ID_BYTES: Final = 8
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_TAG_BYTES: Final = 16
_ID_AT: Final = len(_MAGIC)
_WRAPPED_AT: Final = _ID_AT + _ID_BYTES
_PLAIN_AT: Final = _WRAPPED_AT + _NONCE_BYTES + _KEY_BYTES + _TAG_BYTES
_SHORTEST: Final = _PLAIN_AT + _NONCE_BYTES + _TAG_BYTES

_FINGERPRINT: Final = "master_key"
_ROOT: Final = "root_key"


class _Cipher(Protocol):
    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...


class Sealer:
    """Seals and opens; also the one source of keys for hashes and pseudonyms, which outlive a change of master key."""

    def __init__(self, keys: MasterKeys, root: Callable[[], bytes] | None = None) -> None:
        """Take the master keys.

        Args:
            keys: All that there are; the newest seals.
            root: Returns the secret of this installation, of which all keys for hashes are made.
        """
        self.keys = keys
        self._root = root
        self._opened_root: bytes | None = None

    def seal(self, plain: bytes, *, binding: str) -> bytes:
        """Return a record that opens with the same binding.

        Args:
            plain: The secret.
            binding: What it belongs to, such as `secrets:sec_mfrggzdfmztwq2lk`: table and ID.

        Raises:
            MasterKeyUnusable: The master key is gone, or is not to be used.
        """
        master, data_key = self.keys.newest(), secrets.token_bytes(_KEY_BYTES)
        return _head(master, data_key) + _encrypted(data_key, plain, _bound(binding))

    def open(self, sealed: bytes, *, binding: str) -> bytes:
        """Return the secret of a record.

        Raises:
            MasterKeyUnusable: It was sealed under a master key that is not there.
            SealBroken: It was changed, or belongs to something else.
        """
        return _decrypted(self._data_key(sealed), sealed[_PLAIN_AT:], _bound(binding))

    def rewrapped(self, sealed: bytes) -> bytes | None:
        """Return a record under the newest master key; None if it is under that one already.

        Raises:
            MasterKeyUnusable: It was sealed under a master key that is not there.
            SealBroken: It was changed.
        """
        newest = self.keys.newest()
        if sealed[_ID_AT:_WRAPPED_AT] == key_id(newest):
            return None
        return _head(newest, self._data_key(sealed)) + sealed[_PLAIN_AT:]

    def mac_key(self, purpose: str) -> bytes:
        """Return a key of 32 bytes for a purpose; it stays the same when the master key is changed.

        HKDF-Expand with SHA-256, https://www.rfc-editor.org/rfc/rfc5869#section-2.3
        """
        if self._opened_root is None:
            if self._root is None:
                raise MasterKeyUnusable("the database has not been opened with this master key yet")
            self._opened_root = self._root()
        return hmac.digest(self._opened_root, b"narthex " + purpose.encode() + b"\x01", hashlib.sha256)

    def _data_key(self, sealed: bytes) -> bytes:
        if len(sealed) < _SHORTEST or not sealed.startswith(_MAGIC):
            raise SealBroken
        wanted = KeyId(sealed[_ID_AT:_WRAPPED_AT])
        master = self.keys.with_id(wanted)
        if master is None:
            raise MasterKeyUnusable(
                f"a secret was sealed under the master key {wanted.hex()}, which is not among those of "
                f"{self.keys.where}: put it back there as well"
            )
        return _decrypted(master, sealed[_WRAPPED_AT:_PLAIN_AT], sealed[:_WRAPPED_AT])


def fingerprint_of(sealed: bytes) -> str:
    """Return the fingerprint of the master key that a record is sealed under."""
    return sealed[_ID_AT:_WRAPPED_AT].hex()


def _head(master: bytes, data_key: bytes) -> bytes:
    head = _MAGIC + key_id(master)
    return head + _encrypted(master, data_key, head)


def _bound(binding: str) -> bytes:
    return b"narthex.sealed.v1\0" + binding.encode()


def _encrypted(key: bytes, plain: bytes, bound: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + _cipher(key).encrypt(nonce, plain, bound)


def _decrypted(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as below

    try:
        return _cipher(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)
    except InvalidTag as error:
        raise SealBroken from error


def _cipher(key: bytes) -> _Cipher:
    # Slow to load, and a server on which nothing is sealed does without.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM(key)


# -- in step with a database -------------------------------------------------------------------------------------------


def begin_sealing(connection: Connection, keys: MasterKeys) -> Sealer:
    """Return the sealer of a database, in a transaction that may write; at the first start the keys are made.

    Raises:
        MasterKeyUnusable: The master key is lost, or belongs to another database; nothing is made anew then.
    """
    from narthex.stores.facts import fact, write_fact  # noqa: PLC0415 - loads SQLAlchemy

    exclusively(connection, "secrets")
    known = fact(connection, _FINGERPRINT)
    if known is None:
        master = keys.make()
        write_fact(connection, _FINGERPRINT, {"id": key_id(master).hex()})
    else:
        _check(keys, str(known["id"]))
    root = fact(connection, _ROOT)
    if root is None:
        sealed = Sealer(keys).seal(secrets.token_bytes(_KEY_BYTES), binding=f"facts:{_ROOT}")
        root = {"sealed": base64.b64encode(sealed).decode()}
        write_fact(connection, _ROOT, root)
    record = base64.b64decode(str(root["sealed"]))
    return Sealer(keys, lru_cache(lambda: Sealer(keys).open(record, binding=f"facts:{_ROOT}")))


def _check(keys: MasterKeys, fingerprint: str) -> None:
    held = [key_id(key).hex() for key in keys.all()]
    if fingerprint in held:
        return
    if not held:
        raise MasterKeyUnusable(
            f"the master key of this database is lost: {keys.where} is missing; put back the one with fingerprint "
            f"{fingerprint}, or set NARTHEX_MASTER_KEY. Without it nothing that is sealed can be opened"
        )
    raise MasterKeyUnusable(
        f"this is not the master key of this database: {keys.where} has fingerprint {', '.join(held)}, "
        f"the database was sealed under {fingerprint}; put that key back"
    )
