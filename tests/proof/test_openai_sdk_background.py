"""The official OpenAI SDK and responses in the background: begun, polled, streamed, cut, resumed and cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent

from narthex.testing.upstream import ScriptedUpstream
from tests.gateways import KEY, RunningGateway
from tests.proof.houses import Far, house, log_lines

OTHER = "sk-other-0123456789abcdef"


@pytest.fixture(scope="module")
def keyed(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """The server with two keys."""
    keys = [{"name": "test", "key": KEY}, {"name": "other", "key": OTHER}]
    with house(tmp_path_factory.mktemp("background"), upstream, keys=keys) as one:
        yield one


@pytest.fixture(scope="module")
def client(keyed: RunningGateway) -> Iterator[openai.OpenAI]:
    """The SDK."""
    with openai.OpenAI(base_url=f"{keyed.url}/v1", api_key=KEY, max_retries=0, timeout=10) as one:
        yield one


def when(client: openai.OpenAI, response_id: str, is_so: Callable[[Response], bool]) -> Response:
    """Ask for a response, as an application does, until it is as it should be."""
    response = client.responses.retrieve(response_id)
    for _ in range(1_000):
        if is_so(response):
            return response
        time.sleep(0.01)
        response = client.responses.retrieve(response_id)
    pytest.fail(f"it stayed {response.status}")


def has_ended(response: Response) -> bool:
    """Tell whether it has."""
    return response.status not in {"queued", "in_progress"}


def test_it_is_polled(client: openai.OpenAI, far: Far) -> None:
    """Queued at once, then completed with its text; and gone on from."""
    far.says("Hello from behind.", stream=True)
    begun = client.responses.create(model=far.model, input="Hello", background=True)
    assert (begun.status, begun.background, begun.output) == ("queued", True, [])
    done = when(client, begun.id, has_ended)
    assert done.status == "completed"
    assert done.output_text in {"Hello from behind.", "Hello from the script."}
    assert done.usage is not None
    far.says("And again.")
    after = client.responses.create(model=far.model, input="And?", previous_response_id=begun.id)
    assert after.previous_response_id == begun.id
    assert len(list(client.responses.input_items.list(after.id))) == 3


def test_it_is_cut_at_every_event_and_read_on(client: openai.OpenAI, wired: Far) -> None:
    """Whichever event was the last, the rest follows, without a gap or a repeat, while it runs and afterwards."""
    wired.says("one two three", stream=True, delay_s=0.02)
    with client.responses.create(model=wired.model, input="Hello", background=True, stream=True) as events:
        first = next(iter(events))
    assert first.type == "response.created"
    response_id = first.response.id
    seen: list[ResponseStreamEvent] = [first]
    while seen[-1].type != "response.completed":
        last = seen[-1].sequence_number
        with client.responses.retrieve(response_id, stream=True, starting_after=last) as events:
            seen.append(next(iter(events)))
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    everything = list(client.responses.retrieve(response_id, stream=True))
    assert everything == seen
    for number in range(len(seen)):
        rest = list(client.responses.retrieve(response_id, stream=True, starting_after=number))
        assert rest == seen[number + 1 :]
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.retrieve(response_id, stream=True, starting_after=len(seen))
    assert raised.value.code == "cursor_ahead"


def test_it_is_cancelled(keyed: RunningGateway, client: openai.OpenAI, wired: Far) -> None:
    """Twice is once; what was said stays; as a stream it is cancelled, too."""
    wired.says("one two three four five " * 8, stream=True, delay_s=0.05)
    begun = client.responses.create(model=wired.model, input="Hello", background=True)
    with client.responses.retrieve(begun.id, stream=True) as events:
        next(event for event in events if event.type == "response.output_text.delta")
        assert client.responses.cancel(begun.id).status == "cancelled"
    again = client.responses.cancel(begun.id)
    assert again == client.responses.retrieve(begun.id)
    assert again.output_text.startswith("one")
    with httpx.Client(base_url=keyed.url, headers={"authorization": f"Bearer {KEY}"}) as plain:
        assert plain.get(f"/v1/streams/{begun.id}").json()["status"] == "cancelled"


def test_what_fails_says_so(client: openai.OpenAI, wired: Far) -> None:
    """A provider that refuses makes a failed response, not a lost one."""
    wired.fails(400, "not like this")
    begun = client.responses.create(model=wired.model, input="Hello", background=True)
    failed = when(client, begun.id, has_ended)
    assert failed.status == "failed"
    assert failed.error is not None
    assert "not like this" in failed.error.message


def test_it_must_be_stored(client: openai.OpenAI) -> None:
    """In the background without being kept it would be lost."""
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(model="demo/m", input="Hello", background=True, store=False)
    assert raised.value.param == "background"


def test_a_stranger_sees_nothing(keyed: RunningGateway, client: openai.OpenAI) -> None:
    """Neither the response nor its events, and nothing of it can be ended."""
    begun = client.responses.create(model="demo/m", input="Hello", background=True)
    with openai.OpenAI(base_url=f"{keyed.url}/v1", api_key=OTHER, max_retries=0, timeout=10) as stranger:
        for attempt in (
            lambda: stranger.responses.retrieve(begun.id),
            lambda: stranger.responses.retrieve(begun.id, stream=True),
            lambda: stranger.responses.cancel(begun.id),
            lambda: stranger.responses.delete(begun.id),
        ):
            with pytest.raises(openai.NotFoundError):
                attempt()
    assert when(client, begun.id, has_ended).status == "completed"


async def test_the_asynchronous_sdk(keyed: RunningGateway) -> None:
    """The same by the SDK's other half."""
    async with openai.AsyncOpenAI(base_url=f"{keyed.url}/v1", api_key=KEY, max_retries=0, timeout=10) as client:
        begun = await client.responses.create(model="demo/m", input="Hello", background=True)
        events = [event async for event in await client.responses.retrieve(begun.id, stream=True)]
        assert [event.sequence_number for event in events] == list(range(len(events)))
        rest = await client.responses.retrieve(begun.id, stream=True, starting_after=3)
        assert [event async for event in rest] == events[4:]
        assert (await client.responses.cancel(begun.id)).status == "completed"
        await client.responses.delete(begun.id)


def test_it_is_paid_for_once(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The call that begins it uses nothing; the work is one line in the log, with its tokens."""
    with (
        house(tmp_path_factory.mktemp("bill"), upstream) as one,
        openai.OpenAI(base_url=f"{one.url}/v1", api_key=KEY, max_retries=0, timeout=10) as client,
    ):
        begun = client.responses.create(model="demo/m", input="Hello", background=True)
        done = when(client, begun.id, has_ended)
    queued, work = log_lines(one)
    assert done.usage is not None
    assert (queued["output_tokens"], work["output_tokens"]) == (0, done.usage.output_tokens)
