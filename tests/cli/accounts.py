"""A database for tests of commands."""

from __future__ import annotations

from pathlib import Path

from narthex.audit import Actor, Audit
from narthex.config.audit_settings import SecretsSettings
from narthex.stores.database import Database
from narthex.stores.master_keys import master_keys
from narthex.stores.sealing import begin_sealing


def made(folder: Path, entries: int = 3) -> str:
    """Make a data folder with some entries in its audit log; return its path."""
    database = Database.open_now(None, data_dir=folder)
    keys = master_keys(SecretsSettings(), folder)
    sealer = database.write_now(lambda connection: begin_sealing(connection, keys))
    audit = Audit()
    audit.attach(database, sealer)
    for number in range(entries):
        details = {"email": "ada@example.com"}
        audit.note("user.create", actor=Actor("user", "usr_root"), target=f"usr_{number}", details=details)
    audit.close()
    database.close_now()
    return str(folder)
