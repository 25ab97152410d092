"""Prices over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.gateways import running
from tests.http.routes.accounts import SETTINGS, Root, code

CALL = {"model": "demo/m", "messages": [{"role": "user", "content": "x"}]}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server none of whose models has a price."""
    with running(tmp_path_factory.mktemp("prices"), **SETTINGS) as gateway, Root(gateway) as one:
        yield one


def price(model: str, **more: object) -> dict[str, object]:
    """Return the body of a price."""
    return {"model": model, "input_usd_per_mtok": 1, "output_usd_per_mtok": "2.5", **more}


def test_a_price_holds_for_the_next_call(root: Root) -> None:
    """And the version after it from its moment on; each is listed."""
    assert "x-narthex-cost" not in root.client.post("/v1/chat/completions", json=CALL).headers
    made = root.made("/api/prices", **price("demo/m"))
    assert (made["output_usd_per_mtok"], made["cache_read_usd_per_mtok"], made["currency"]) == ("2.5", None, "USD")
    assert (made["image_usd"], made["audio_second_usd"], made["batch_discount_percent"]) == ("0", "0", 0)
    answer = root.client.post("/v1/chat/completions", json=CALL)
    used = answer.json()["usage"]
    cost = used["prompt_tokens"] + 2.5 * used["completion_tokens"]
    assert float(answer.headers["x-narthex-cost"]) == pytest.approx(cost / 1e6)
    root.made("/api/prices", **price("demo/m", output_usd_per_mtok=99, valid_from=int(time.time()) + 3_600))
    assert (
        root.client.post("/v1/chat/completions", json=CALL).headers["x-narthex-cost"]
        == answer.headers["x-narthex-cost"]
    )
    listed = root.client.get("/api/prices", params={"model": "demo/m"}).json()["data"]
    assert [one["output_usd_per_mtok"] for one in listed] == ["99", "2.5"]


def test_pages_follow_each_other(root: Root) -> None:
    """Each version once."""
    for _ in range(3):
        root.made("/api/prices", **price("demo/pages"))
    first = root.client.get("/api/prices", params={"model": "demo/pages", "limit": 2}).json()
    rest = root.client.get("/api/prices", params={"model": "demo/pages", "limit": 2, "after": first["next"]}).json()
    assert (len(first["data"]), first["has_more"], len(rest["data"]), rest["has_more"]) == (2, True, 1, False)


def test_an_organisation_has_prices_of_its_own(root: Root) -> None:
    """Which others neither see nor pay; those for all are for who runs the server."""
    organisation = root.organisation()
    workspace = root.workspace(organisation)
    own = root.made("/api/prices", **price("demo/own", organisation_id=organisation))
    with root.caller(workspace, ["prices:read", "prices:write"]) as client:
        seen = client.get("/api/prices", params={"model": "demo/own"}).json()["data"]
        assert [one["id"] for one in seen] == [own["id"]]
        assert client.post("/api/prices", json=price("demo/own")).status_code in {403, 404}
    with root.caller(root.workspace(root.organisation()), ["prices:read"]) as stranger:
        assert stranger.get("/api/prices", params={"model": "demo/own"}).json()["data"] == []
        assert stranger.get("/api/prices", params={"organisation_id": organisation}).status_code == 404


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"currency": "EUR"}, "currency"),
        ({"model": "demo/*"}, "model"),
        ({"valid_from": 1_600_000_000}, "valid_from"),
        ({"input_usd_per_mtok": -1}, "input_usd_per_mtok"),
        ({"input_usd_per_mtok": "much"}, "input_usd_per_mtok"),
        ({"image_usd": -1}, "image_usd"),
        ({"batch_discount_percent": 101}, "batch_discount_percent"),
        ({"organisation_id": ""}, "organisation_id"),
        ({"price": 3}, None),
    ],
)
def test_what_is_no_price_is_refused(root: Root, change: dict[str, object], param: str | None) -> None:
    """With the name of what is wrong with it."""
    answer = root.client.post("/api/prices", json={**price("demo/wrong"), **change})
    assert code(answer)[0] == 400
    assert answer.json()["error"]["param"] == param
    assert root.client.get("/api/prices", params={"model": "demo/wrong"}).json()["data"] == []
