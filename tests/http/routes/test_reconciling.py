"""The ledger is held against a statement over HTTP, and corrected once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from narthex.ledger.rows import add_entries
from narthex.types.accounts import DEFAULT_ORGANISATION, DEFAULT_WORKSPACE
from tests.gateways import running
from tests.http.routes.accounts import SETTINGS, Root, code
from tests.ledger.calls import entry

DAY = 1_793_491_200_000
"""The first of November 2026."""
PATH = "/api/ledger/reconcile"
SAID = {"statement": "date,model,cost_usd\n2026-11-01,one,0.25\n", "provider": "acme"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server whose ledger has some entries."""
    with running(tmp_path_factory.mktemp("reconciling"), **SETTINGS) as gateway, Root(gateway) as one:
        assert gateway.gateway is not None
        office = gateway.gateway.office
        place = {"organisation_id": DEFAULT_ORGANISATION, "workspace_id": DEFAULT_WORKSPACE, "key_id": "local"}
        entries = [entry(n, at=DAY + n, cost_picousd=0, price_id="", **place) for n in range(4)]

        async def fill() -> None:
            await office.write(lambda connection: add_entries(connection, entries))

        gateway.run(fill())
        yield one


def test_what_differs_is_told_and_corrected_once(root: Root) -> None:
    """What was looked at is what is written: with the ETag of a report, nothing else."""
    report = root.client.post(PATH, json=SAID)
    assert report.status_code == 200, report.text
    (one,) = report.json()["differences"]
    assert (one["difference"], one["model"]) == ({"cost_usd": "0.25"}, "acme/one")
    late = root.client.post(PATH, json={**SAID, "apply": True}, headers={"if-match": '"1"'})
    assert code(late) == (412, "version_conflict")
    done = root.client.post(PATH, json={**SAID, "apply": True}, headers={"if-match": report.headers["etag"]}).json()
    assert (done["applied"], done["corrections"], done["wrong_hours"]) == (True, 1, [])
    assert root.client.post(PATH, json=SAID).json()["differences"] == []
    told = root.client.get("/api/ledger/entries?kind=correction&from=2026-11-01").json()["data"]
    assert [row["cost_usd"] for row in told] == ["0.25"]
    notes = root.client.get("/api/audit?action=ledger").json()["data"]
    (noted,) = [note for note in notes if note["workspace_id"] == DEFAULT_WORKSPACE]
    assert noted["details"]["corrections"] == 1


def test_what_cannot_be_read_is_refused(root: Root) -> None:
    """With the field at fault; nobody corrects the books of others, and nobody without the permission."""
    for given, param in (
        ({"statement": "nothing"}, None),
        ({"from": "2026-12-01"}, "statement"),
        ({"from": "x"}, "from"),
        ({"provider": ""}, "provider"),
        ({"tolerance_usd": "x"}, None),
    ):
        refused = root.client.post(PATH, json={**SAID, **given})
        assert refused.status_code == 400, refused.text
        assert param in {None, refused.json()["error"]["param"]}
    workspace_id = root.workspace()
    with root.caller(workspace_id, ["ledger:read", "ledger:write"]) as inside:
        assert inside.post(PATH, json=SAID).status_code == 403
        own = inside.post(PATH, json={**SAID, "provider": "own", "workspace_id": workspace_id, "apply": True})
        assert (own.status_code, own.json()["corrections"]) == (200, 1)
        assert inside.post(PATH, json={**SAID, "workspace_id": root.workspace()}).status_code in {403, 404}
    with root.caller(workspace_id, ["ledger:read"]) as reader:
        assert reader.post(PATH, json={**SAID, "workspace_id": workspace_id}).status_code == 403
