"""What is below `/v1/responses`: shown to their owners, and to nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import httpx
import pytest

from tests.http.doors import Json, house

KEYS = [
    {"name": "one", "key": "sk-test-0123456789-one", "tenant": "acme"},
    {"name": "two", "key": "sk-test-0123456789-two", "tenant": "acme"},
    {"name": "acme", "key": "sk-test-0123456789-acme"},
]


def key(name: str) -> dict[str, str]:
    """Return the header of a key."""
    return {"authorization": f"Bearer sk-test-0123456789-{name}"}


async def made(client: httpx.AsyncClient, said: str = "Hi", **members: object) -> Json:
    """Make a response with the key `one`."""
    answer = await client.post("/v1/responses", json={"input": said, **members}, headers=key("one"))
    assert answer.status_code == 200, answer.text
    return cast("Json", answer.json())


async def test_a_response_is_shown_listed_and_taken_away(tmp_path: Path) -> None:
    """To every key of the tenant that it belongs to."""
    async with house(tmp_path, keys=KEYS) as one:
        first = await made(one.client)
        second = await made(one.client, "And?", previous_response_id=first["id"])
        path = f"/v1/responses/{second['id']}"
        assert (await one.client.get(path, headers=key("two"))).json() == second
        listed = (await one.client.get(f"{path}/input_items?order=asc&limit=2", headers=key("two"))).json()
        assert [item["role"] for item in listed["data"]] == ["user", "assistant"]
        assert listed["has_more"] is True
        gone = await one.client.delete(path, headers=key("two"))
        assert gone.json() == {"id": second["id"], "object": "response", "deleted": True}
        assert (await one.client.get(path, headers=key("one"))).status_code == 404
        assert (await one.client.get(f"/v1/responses/{first['id']}", headers=key("one"))).status_code == 200


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("GET", "/input_items")])
async def test_nobody_hears_of_another_ones_response(tmp_path: Path, method: str, path: str) -> None:
    """A foreign ID is answered as an unknown one is, word for word but for the ID, and stays as it was."""
    async with house(tmp_path, keys=KEYS) as one:
        response_id = str((await made(one.client))["id"])
        told: list[Json] = []
        for asked in (response_id, "resp_unknown"):
            answer = await one.client.request(method, f"/v1/responses/{asked}{path}", headers=key("acme"))
            assert answer.status_code == 404
            error = cast("Json", answer.json()["error"])
            told.append({name: str(value).replace(asked, "") for name, value in error.items() if name != "request_id"})
        assert told[0] == told[1]
        assert told[0]["code"] == "response_not_found"
        assert (await one.client.get(f"/v1/responses/{response_id}", headers=key("one"))).status_code == 200


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "order=up", "after=msg_x"])
async def test_a_page_that_makes_no_sense_is_refused(tmp_path: Path, query: str) -> None:
    """With what is wrong by its name."""
    async with house(tmp_path) as one:
        path = f"/v1/responses/{(await made(one.client))['id']}/input_items"
        answer = await one.client.get(f"{path}?{query}")
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, query.partition("=")[0])


async def test_input_is_counted(tmp_path: Path) -> None:
    """In OpenAI's shape, with what came before; nothing is kept of it."""
    async with house(tmp_path) as one:
        first = await made(one.client, "Hello " * 40)
        counts = [
            (await one.client.post("/v1/responses/input_tokens", json={"input": "Hi", **members})).json()
            for members in ({}, {"previous_response_id": first["id"]})
        ]
        assert {count["object"] for count in counts} == {"response.input_tokens"}
        assert counts[1]["input_tokens"] > counts[0]["input_tokens"] + 40
        assert len(one.gateway._shelf) == 1


async def test_one_in_the_background_is_read_and_ended(tmp_path: Path) -> None:
    """Its events come as a stream of its ID; a query that makes no sense is refused by its name."""
    async with house(tmp_path, keys=KEYS) as one:
        begun = await made(one.client, background=True)
        path = f"/v1/responses/{begun['id']}"
        events = await one.client.get(f"{path}?stream=true", headers=key("two"))
        assert events.headers["content-type"].startswith("text/event-stream")
        assert events.headers["x-narthex-stream-id"] == begun["id"]
        assert "response.completed" in events.text
        rest = await one.client.get(f"{path}?stream=true&starting_after=1", headers=key("two"))
        assert events.text.endswith(rest.text)
        assert '"sequence_number":1,' not in rest.text
        for query in ("stream=yes", "starting_after=-1", "stream=true&starting_after=x"):
            refused = await one.client.get(f"{path}?{query}", headers=key("two"))
            assert refused.status_code == 400
            assert refused.json()["error"]["param"] in query
        assert (await one.client.post(f"{path}/cancel", headers=key("two"))).json()["status"] == "completed"
        foreign = await one.client.post(f"{path}/cancel", headers=key("acme"))
        assert (foreign.status_code, foreign.json()["error"]["code"]) == (404, "response_not_found")
