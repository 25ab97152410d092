"""The wall on its sockets, asked by raw connections and by the official SDKs."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing

import anthropic
import openai
import pytest
from anthropic.types import MessageParam
from openai.types.chat import ChatCompletionMessageParam

from narthex.testing.scenarios import Fail
from narthex.testing.wall import Wall
from narthex.testing.wall.plays import Pace

UNIT_S = 0.05


@pytest.fixture(scope="module")
def wall() -> Iterator[Wall]:
    """Return a wall that says what it was asked."""
    with Wall(unit_s=UNIT_S, reply="You said {prompt}, and Καλημέρα 🏛 one two three four five.") as running:
        yield running


@pytest.fixture
def chat(wall: Wall) -> Iterator[openai.OpenAI]:
    """Return OpenAI's SDK, pointed at the wall."""
    with openai.OpenAI(base_url=f"{wall.url}/v1", api_key="none", max_retries=0, timeout=0.5) as client:
        yield client


@pytest.fixture
def claude(wall: Wall) -> Iterator[anthropic.Anthropic]:
    """Return Anthropic's SDK, pointed at the wall."""
    with anthropic.Anthropic(base_url=wall.url, api_key="none", max_retries=0, timeout=0.5) as client:
        yield client


MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]
CLAUDES: list[MessageParam] = [{"role": "user", "content": "Hi"}]
SAID = "You said Hi, and Καλημέρα 🏛 one two three four five."


def _whole(client: openai.OpenAI, model: str) -> str:
    answer = client.chat.completions.create(model=model, messages=MESSAGES)
    return answer.choices[0].message.content or ""


def _streamed(client: openai.OpenAI, model: str) -> str:
    with client.chat.completions.create(model=model, messages=MESSAGES, stream=True) as events:
        return "".join(event.choices[0].delta.content or "" for event in events if event.choices)


def _told(client: anthropic.Anthropic, model: str) -> str:
    with client.messages.stream(model=model, max_tokens=99, messages=CLAUDES) as stream:
        return stream.get_final_text()


def test_healthy_models_answer_well(chat: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """Both SDKs are content, whole and streamed, and with a list of models."""
    assert _whole(chat, "any-model") == _streamed(chat, "any-model") == _told(claude, "any-model") == SAID
    block = claude.messages.create(model="m", max_tokens=99, messages=CLAUDES).content[0]
    assert isinstance(block, anthropic.types.TextBlock)
    assert block.text == SAID
    models = [model.id for model in chat.models.list()]
    assert models[0] == "healthy"
    assert "fault-stall" in models


def test_anthropic_s_prefill_is_continued(claude: anthropic.Anthropic) -> None:
    """A last message of the assistant is gone on with."""
    started: MessageParam = {"role": "assistant", "content": "You said Hi, and"}
    block = claude.messages.create(model="m", max_tokens=99, messages=[*CLAUDES, started]).content[0]
    assert isinstance(block, anthropic.types.TextBlock)
    assert block.text == " Καλημέρα 🏛 one two three four five."


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("fault-fail-401", openai.AuthenticationError),
        ("fault-fail-404", openai.NotFoundError),
        ("fault-rate-limit", openai.RateLimitError),
        ("fault-quota", openai.RateLimitError),
        ("fault-context-overflow", openai.BadRequestError),
        ("fault-fail-529", openai.InternalServerError),
        ("fault-no-such-thing", openai.NotFoundError),
        ("fault-disconnect", openai.APIConnectionError),
        ("fault-half-close", openai.APIConnectionError),
        ("fault-cut-event", openai.APIConnectionError),
        ("fault-bad-framing", openai.APIConnectionError),
        ("fault-stall", openai.APITimeoutError),
        ("fault-no-answer", openai.APITimeoutError),
        ("fault-flap", openai.APIConnectionError),
    ],
)
def test_faults_reach_openai_s_sdk(
    chat: openai.OpenAI, claude: anthropic.Anthropic, model: str, error: type[openai.OpenAIError]
) -> None:
    """The SDK raises what it raises for that fault of the vendor; Anthropic's raises its own class of that name."""
    with pytest.raises(error):
        _whole(chat, model)
    name = {"InternalServerError": "APIStatusError"}.get(error.__name__, error.__name__)
    with pytest.raises(getattr(anthropic, name)):
        claude.messages.create(model=model, max_tokens=99, messages=CLAUDES)


@pytest.mark.parametrize("model", ["fault-truncate", "fault-truncate-2"])
def test_a_truncated_stream_looks_like_a_success_to_openai_s_sdk(chat: openai.OpenAI, model: str) -> None:
    """That is why it is dangerous: no error is raised, and the end is missing."""
    said = _streamed(chat, model)
    assert said
    assert SAID.startswith(said)
    assert said != SAID


def test_errors_inside_streams_reach_the_sdks(chat: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """Both have a shape for them."""
    with pytest.raises(openai.APIError, match="had an error"):
        _streamed(chat, "fault-stream-error")
    with pytest.raises(anthropic.APIStatusError, match="had an error"):
        _told(claude, "fault-stream-error")


@pytest.mark.parametrize(
    "model",
    [
        "fault-delay",
        "fault-slow-headers",
        "fault-slow-first-token",
        "fault-pause",
        "fault-drip",
        "fault-no-done",
        "fault-split-utf8",
    ],
)
def test_what_is_only_slow_or_odd_is_whole(chat: openai.OpenAI, model: str) -> None:
    """A patient client gets everything."""
    assert _streamed(chat, model) == SAID


def test_a_header_or_a_script_chooses_too(wall: Wall, chat: openai.OpenAI) -> None:
    """For one request, or for all of a wall."""
    with pytest.raises(openai.InternalServerError):
        chat.chat.completions.create(model="m", messages=MESSAGES, extra_headers={"x-narthex-fault": "fail 503"})
    with Wall(script=(Fail(status=503, every=2),)) as scripted:
        with openai.OpenAI(base_url=f"{scripted.url}/v1", api_key="none", max_retries=0) as client:
            assert _whole(client, "m")
            with pytest.raises(openai.InternalServerError):
                _whole(client, "m")
        assert [visit.fault for visit in scripted.visits.all()] == [None, "fail"]
    assert wall.visits.all()[-1].fault == "fail"


def _call(
    connection: http.client.HTTPConnection, body: object, path: str = "/v1/chat/completions"
) -> tuple[int, bytes]:
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    response = connection.getresponse()
    return response.status, response.read()


def _ask(model: str, prompt: str = "Hi", *, stream: bool = False) -> dict[str, object]:
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": prompt}]}


def test_a_kept_connection_goes_stale(wall: Wall) -> None:
    """The first request on it is answered, the next one meets a reset."""
    with closing(http.client.HTTPConnection("127.0.0.1", wall.port, timeout=5)) as connection:
        assert _call(connection, _ask("fault-stale-connection"))[0] == 200
        with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
            _call(connection, _ask("fault-stale-connection"))


def test_limits_pass_one_and_tell_the_next_when(wall: Wall) -> None:
    """The second request within a minute is told how long to wait."""
    wall.choice.forget()
    with closing(http.client.HTTPConnection("127.0.0.1", wall.port, timeout=5)) as connection:
        assert _call(connection, _ask("fault-limits"))[0] == 200
        connection.request("POST", "/v1/messages", json.dumps(_ask("fault-limits")))
        response = connection.getresponse()
        response.read()
        assert response.status == 429
        assert 0 < float(response.headers["retry-after"]) <= 60


def test_nonsense_is_told_what_is_wrong(wall: Wall) -> None:
    """A request that no provider takes is answered 400, in the words of its wire."""
    with closing(http.client.HTTPConnection("127.0.0.1", wall.port, timeout=5)) as connection:
        status, body = _call(connection, {"model": "m"}, "/v1/messages")
        assert (status, json.loads(body)["type"]) == (400, "error")
        assert _call(connection, {"input": ["a"], "model": "e"}, "/v1/embeddings")[0] == 200


def _bytes(wall: Wall, body: dict[str, object]) -> bytes:
    sent = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nconnection: close\r\ncontent-length: {len(sent)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", wall.port), timeout=5) as plain:
        plain.sendall(head.encode() + sent)
        return b"".join(iter(lambda: plain.recv(65_536), b""))


def test_the_same_seed_sends_the_same_bytes() -> None:
    """To the byte, whole, streamed and spoiled; another seed says something else."""
    asks = [
        _ask(model, stream=stream) for model in ("m", "fault-corrupt", "fault-truncate") for stream in (False, True)
    ]
    with Wall(seed=7) as first, Wall(seed=7) as second, Wall(seed=8) as other:
        assert [_bytes(first, ask) for ask in asks] == [_bytes(second, ask) for ask in asks]
        assert _bytes(first, asks[0]) != _bytes(other, asks[0])


def test_the_provider_s_view_is_told(wall: Wall) -> None:
    """Each request with its fault, its bytes, and whether its client stayed; it can be read over HTTP and cleared."""
    with closing(http.client.HTTPConnection("127.0.0.1", wall.port, timeout=5)) as connection:
        connection.request("DELETE", "/wall/visits")
        assert json.loads(connection.getresponse().read())["data"] == []
        _call(connection, _ask("m", "stays"))
        with socket.create_connection(("127.0.0.1", wall.port), timeout=5) as plain:
            sent = json.dumps(_ask("fault-stall", "leaves", stream=True)).encode()
            plain.sendall(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(sent) + sent)
            plain.recv(100)
        assert wall.visits.wait_for(lambda: any(visit.is_left for visit in wall.visits.all()), 5)
        connection.request("GET", "/wall/visits")
        seen = {visit["prompt"]: visit for visit in json.loads(connection.getresponse().read())["data"]}
    assert (seen["stays"]["fault"], seen["stays"]["is_left"]) == (None, False)
    assert (seen["leaves"]["fault"], seen["leaves"]["is_left"]) == ("stall", True)
    assert seen["leaves"]["sent_bytes"] > 0


def test_the_pace_is_that_of_the_wall() -> None:
    """Tokens come at the pace asked for: the visit lasts as long as they take."""
    with Wall(reply="one two three four five six", pace=Pace(tokens_per_second=50)) as slow:
        _bytes(slow, _ask("m", stream=True))
        assert slow.visits.wait_for(lambda: slow.visits.all()[0].ended_s is not None, 5)
        assert (slow.visits.all()[0].lasted_s or 0) >= 0.1


def test_a_taken_port_leaves_nothing_open(wall: Wall) -> None:
    """Where a door's port is taken, the wall does not stand half."""
    with socket.socket() as blocker:
        blocker.bind(("127.0.0.1", 0))
        port = blocker.getsockname()[1]
        half = Wall(port=port - 1)
        with pytest.raises(OSError, match="in use"):
            half.start()
    with pytest.raises(OSError, match="in use"):
        Wall(port=wall.port).start()
