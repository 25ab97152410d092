"""Where the accounts are kept, as the settings have it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from sqlalchemy import select

from narthex.audit.log import Audit
from narthex.errors import MasterKeyUnusable
from narthex.stores.database.configured import options_of, url_in
from narthex.stores.database.schema import audit_entries
from narthex.tenancy.keys import Keyring
from narthex.tenancy.opening import open_office
from narthex.types.accounts import DEFAULT_ORGANISATION
from tests.gateways import settings_for


def test_the_settings_say_where_the_database_is(tmp_path: Path) -> None:
    """By default it is the file in the data folder."""
    settings = settings_for(tmp_path, database={"busy_timeout_s": 2})
    assert url_in(settings) is None
    assert options_of(settings).busy_timeout_s == 2
    assert url_in(settings_for(tmp_path, database={"url": "sqlite:///a.db"})) == "sqlite:///a.db"


async def test_an_office_begins_with_the_default_organisation(tmp_path: Path) -> None:
    """At the first start it is made, and that is written down; the next one hashes keys as this one did."""
    marks: list[bytes] = []
    for _ in range(2):
        keyring, audit = Keyring([]), Audit()
        office = open_office(settings_for(tmp_path), keyring, audit)
        try:
            await office.database()
            assert set(office.directory.organisations) == {DEFAULT_ORGANISATION}
            assert (tmp_path / "main.db").is_file()
            assert (await office.sealer()).mac_key("x") != b""
            marks.append(keyring.mark_of(b"sk-nx-anything"))
            rows = await office.read(lambda one: one.execute(select(audit_entries.c.action)).scalars().all())
            assert list(rows) == ["organisation.create"]
        finally:
            audit.close()
            await office.aclose()
    assert marks[0] == marks[1]


async def test_all_processes_of_a_database_hash_keys_alike(tmp_path: Path) -> None:
    """A node with a data folder of its own reads the keys of the others by the master key that they share."""
    url, marks = f"sqlite:///{tmp_path / 'shared.db'}", list[bytes]()
    secrets = {"master_key": base64.b64encode(b"m" * 32).decode()}
    configured = "sk-nx-configured-0123456789"
    for node in ("one", "other"):
        keyring, audit = Keyring([("configured", configured)]), Audit()
        own = keyring.mark_of(configured.encode())
        office = open_office(settings_for(tmp_path / node, database={"url": url}, secrets=secrets), keyring, audit)
        try:
            await office.database()
            marks.append(keyring.mark_of(b"sk-nx-of-a-workspace"))
            assert keyring.mark_of(configured.encode()) == own
            assert keyring.identify(configured.encode()).name == "configured"
        finally:
            audit.close()
            await office.aclose()
    assert marks[0] == marks[1]


async def test_a_node_with_another_master_key_gives_up(tmp_path: Path) -> None:
    """It says what to do, no waiting changes that, and it makes no key."""
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    for node in ("one", "other"):
        audit = Audit()
        office = open_office(settings_for(tmp_path / node, database={"url": url}), Keyring([]), audit)
        try:
            if node == "one":
                await office.database()
                continue
            assert isinstance(await office.given_up(), MasterKeyUnusable)
            with pytest.raises(MasterKeyUnusable, match="NARTHEX_MASTER_KEY"):
                await office.database_at_last()
            assert not (tmp_path / "other" / "master.key").exists()
        finally:
            audit.close()
            await office.aclose()
