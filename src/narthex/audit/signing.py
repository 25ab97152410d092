"""Signs what is said of the audit log, with a key that lies sealed in the database; its public half is everybody's.

https://www.rfc-editor.org/rfc/rfc8032
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from narthex.audit.records import canonical
from narthex.stores.database import exclusively
from narthex.stores.facts import fact, write_fact
from narthex.stores.sealing import Sealer

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from sqlalchemy import Connection

_FACT: Final = "audit_key"
_BINDING: Final = f"facts:{_FACT}"
_CONTEXT: Final = b"narthex.audit.statement.v1\0"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What signatures are checked with."""

    raw: bytes

    @property
    def id(self) -> str:
        """Which key this is, in 16 characters."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    @property
    def pem(self) -> str:
        """It in the form that tools read."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - slow to load
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 - as above

        key = Ed25519PublicKey.from_public_bytes(self.raw)
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @classmethod
    def from_pem(cls, pem: bytes) -> PublicKey | None:
        """Return the key of a file; None if it holds none of this kind."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - slow to load
        from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415 - as above

        try:
            key = load_pem_public_key(pem)
        except ValueError:
            return None
        return cls(key.public_bytes_raw()) if isinstance(key, Ed25519PublicKey) else None

    def has_signed(self, statement: Mapping[str, object]) -> bool:
        """Return whether a statement bears a signature of this key."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - slow to load
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - as above

        try:
            signature = base64.b64decode(str(statement.get("signature")), validate=True)
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, _said(statement))
        except (InvalidSignature, ValueError):
            return False
        return True


def public_key(connection: Connection) -> PublicKey | None:
    """Return the public key of a database; None if nothing was ever signed in it."""
    known = fact(connection, _FACT)
    return None if known is None else PublicKey(base64.b64decode(str(known["public"])))


def made_public_key(connection: Connection, sealer: Sealer) -> PublicKey:
    """Return the public key of a database, in a transaction that may write: it is made if there is none."""
    return PublicKey(_key(connection, sealer).public_key().public_bytes_raw())


def signed(connection: Connection, sealer: Sealer, statement: Mapping[str, object]) -> dict[str, object]:
    """Return a statement with its signature, in a transaction that may write: the key is made at the first one."""
    key = _key(connection, sealer)
    complete = {**statement, "key": PublicKey(key.public_key().public_bytes_raw()).id}
    return {**complete, "signature": base64.b64encode(key.sign(_said(complete))).decode()}


def _key(connection: Connection, sealer: Sealer) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - slow to load

    exclusively(connection, "secrets")
    known = fact(connection, _FACT)
    if known is not None:
        raw = sealer.open(base64.b64decode(str(known["sealed"])), binding=_BINDING)
        return ed25519.Ed25519PrivateKey.from_private_bytes(raw)
    key = ed25519.Ed25519PrivateKey.generate()
    sealed = sealer.seal(key.private_bytes_raw(), binding=_BINDING)
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    write_fact(connection, _FACT, {"sealed": base64.b64encode(sealed).decode(), "public": public})
    return key


def _said(statement: Mapping[str, object]) -> bytes:
    return _CONTEXT + canonical({name: value for name, value in statement.items() if name != "signature"})
