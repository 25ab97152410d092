"""What is said of the log is signed, and can be checked by whoever has the public key."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from sqlalchemy import Connection

from narthex.audit.signing import PublicKey, public_key, signed
from narthex.stores.database import Database
from narthex.stores.facts import fact
from narthex.stores.sealing import Sealer


def test_a_statement_bears_out_under_its_key_alone(database: Database, sealer: Sealer) -> None:
    """Nothing in it can be changed, and the key is the same for all."""

    def work(connection: Connection) -> tuple[list[dict[str, object]], PublicKey | None]:
        assert public_key(connection) is None
        made = [signed(connection, sealer, {"kind": "checkpoint", "seq": seq}) for seq in (1, 2)]
        return made, public_key(connection)

    (one, other), key = database.write_now(work)
    assert key is not None
    assert one["key"] == other["key"] == key.id
    assert key.has_signed(one)
    assert not key.has_signed({**one, "seq": 2})
    assert not key.has_signed({**one, "signature": other["signature"]})
    assert not key.has_signed({**one, "signature": "?"})
    assert not PublicKey(bytes(32)).has_signed(one)


def test_the_public_key_goes_into_a_file_and_back(database: Database, sealer: Sealer) -> None:
    """In the form that other tools read; what is no such key is none."""
    database.write_now(lambda connection: signed(connection, sealer, {}))
    key = database.read_now(public_key)
    assert key is not None
    assert PublicKey.from_pem(key.pem.encode()) == key
    assert isinstance(load_pem_public_key(key.pem.encode()), Ed25519PublicKey)
    assert PublicKey.from_pem(b"no key") is None


def test_the_key_that_signs_is_sealed(database: Database, sealer: Sealer) -> None:
    """Who reads the database alone cannot sign."""
    database.write_now(lambda connection: signed(connection, sealer, {}))
    value = database.read_now(lambda connection: fact(connection, "audit_key"))
    assert value is not None
    assert set(value) == {"sealed", "public"}
    assert len(sealer.open(base64.b64decode(str(value["sealed"])), binding="facts:audit_key")) == 32
