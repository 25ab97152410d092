"""The ledger and the audit log are checked over HTTP as they are from the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import update

from narthex.ledger.rows import add_entries
from narthex.stores.database.schema import audit_entries
from narthex.types.accounts import DEFAULT_ORGANISATION, DEFAULT_WORKSPACE
from tests.gateways import running
from tests.http.routes.accounts import SETTINGS, Root, flushed
from tests.ledger.calls import entry

LEDGER, AUDIT = "/api/ledger/verify", "/api/audit/verify"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server with one key in its configuration."""
    with running(tmp_path_factory.mktemp("verifying"), **SETTINGS) as gateway, Root(gateway) as one:
        yield one


def test_what_is_wrong_in_the_ledger_is_told(root: Root) -> None:
    """As the command tells it; of a whole one that nothing is, and either way it is written down who looked."""
    whole = root.client.post(LEDGER)
    assert whole.status_code == 200, whole.text
    assert (whole.json()["object"], whole.json()["faults"], whole.json()["findings"]) == ("ledger.verdict", 0, [])
    place = {"organisation_id": DEFAULT_ORGANISATION, "workspace_id": DEFAULT_WORKSPACE, "key_id": "local"}
    lost = entry(1, attempt=1, at=1_793_491_200_000, cost_picousd=0, price_id="", **place)
    assert root.gateway.gateway is not None
    office = root.gateway.gateway.office

    async def spoil() -> None:
        await office.write(lambda connection: add_entries(connection, [lost]))

    root.gateway.run(spoil())
    told = root.client.post(LEDGER).json()
    assert (told["entries"], told["faults"], told["findings"][0]["check"]) == (1, 1, "attempts")
    (later, first) = root.client.get("/api/audit?action=ledger.verify").json()["data"]
    assert (first["details"], later["details"]) == ({"faults": 0}, {"faults": 1})


def test_what_is_wrong_in_the_audit_log_is_told(root: Root) -> None:
    """Each row that was changed, with its number."""
    root.workspace()
    flushed(root)
    whole = root.client.post(AUDIT).json()
    assert (whole["object"], whole["faults"], whole["rows"] >= 1) == ("audit.verdict", [], True)
    assert root.gateway.gateway is not None
    office = root.gateway.gateway.office
    edit = update(audit_entries).where(audit_entries.c.seq == 1).values(target="another")

    async def spoil() -> None:
        await office.write(lambda connection: connection.execute(edit))

    root.gateway.run(spoil())
    assert root.client.post(AUDIT).json()["faults"] == ["row 1: was changed"]


def test_it_is_for_those_who_run_the_installation(root: Root) -> None:
    """What is found is of all organisations: whoever may read all of another one is refused."""
    with root.caller(root.workspace(root.organisation()), ["ledger:read", "audit:read", "ledger:write"]) as other:
        assert (other.post(LEDGER).status_code, other.post(AUDIT).status_code) == (403, 403)
