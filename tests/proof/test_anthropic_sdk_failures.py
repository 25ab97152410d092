"""The official Anthropic SDK when things go wrong: each failure raises its class, and no cut answer looks whole."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import anthropic
import pytest
from anthropic.types import MessageParam

from narthex.testing.acts import Answer, Stall, cut_after, silent, streamed, whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import anthropic_answer, anthropic_frame, openai_answer, openai_error
from tests.gateways import KEY, RunningGateway
from tests.proof.houses import PROVIDER_KEY, Far, house

logger = logging.getLogger(__name__)

HELLO: list[MessageParam] = [{"role": "user", "content": "Hello"}]
OUT_OF_BREATH = {"type": "api_error", "message": "Out of breath."}


def ask(client: anthropic.Anthropic, model: str) -> anthropic.types.Message:
    """Ask for a whole message."""
    return client.messages.create(model=model, max_tokens=50, messages=HELLO)


def read(client: anthropic.Anthropic, model: str) -> anthropic.types.Message:
    """Ask for a streamed message and read it to its end."""
    with client.messages.stream(model=model, max_tokens=50, messages=HELLO) as stream:
        return stream.get_final_message()


# -- errors ------------------------------------------------------------------------------------------------------------


def test_a_wrong_key(gateway: RunningGateway) -> None:
    """A wrong key is an authentication error, with the request's ID and our code."""
    with (
        anthropic.Anthropic(base_url=gateway.url, api_key="sk-wrong", max_retries=0) as client,
        pytest.raises(anthropic.AuthenticationError) as raised,
    ):
        ask(client, "demo/m")
    assert raised.value.type == "authentication_error"
    assert raised.value.error_code == "invalid_api_key"
    assert str(raised.value.request_id).startswith("req_")


def test_an_unknown_model(anthropic_client: anthropic.Anthropic) -> None:
    """A name that no provider has is not found."""
    with pytest.raises(anthropic.NotFoundError) as raised:
        ask(anthropic_client, "demo/n")
    assert raised.value.type == "not_found_error"
    assert raised.value.error_code == "model_not_found"


def test_a_request_that_is_not_valid(anthropic_client: anthropic.Anthropic) -> None:
    """A request that cannot be read for translation is a bad request that names the field."""
    for model in ("oai/gpt-test", "demo/m"):
        with pytest.raises(anthropic.BadRequestError) as raised:
            anthropic_client.messages.create(model=model, max_tokens=5, messages=[{"role": "wizard", "content": "x"}])  # type: ignore[list-item, misc]  # the point
        assert raised.value.type == "invalid_request_error"
        assert "messages" in str(raised.value)


def test_a_body_that_is_too_large(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """A body over the limit is refused with 413."""
    with (
        house(tmp_path, upstream, server={"max_body_bytes": 2048}) as small,
        anthropic.Anthropic(base_url=small.url, api_key=KEY, max_retries=0) as client,
        pytest.raises(anthropic.ContentTooLargeError) as raised,
    ):
        client.messages.create(model="demo/m", max_tokens=50, messages=[{"role": "user", "content": "x" * 5000}])
    assert raised.value.error_code == "body_too_large"


FAILURES: list[tuple[int, type[anthropic.APIStatusError], str]] = [
    (400, anthropic.BadRequestError, "invalid_request_error"),
    (401, anthropic.InternalServerError, "api_error"),
    (403, anthropic.InternalServerError, "api_error"),
    (404, anthropic.NotFoundError, "not_found_error"),
    (429, anthropic.RateLimitError, "rate_limit_error"),
    (500, anthropic.InternalServerError, "api_error"),
    (502, anthropic.InternalServerError, "api_error"),
    (503, anthropic.ServiceUnavailableError, "overloaded_error"),
    (504, anthropic.GatewayTimeoutError, "timeout_error"),
    (529, anthropic.ServiceUnavailableError, "overloaded_error"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("status", "kind", "word"), FAILURES)
def test_failures_of_a_provider(
    anthropic_client: anthropic.Anthropic,
    wired: Far,
    *,
    status: int,
    kind: type[anthropic.APIStatusError],
    word: str,
    stream: bool,
) -> None:
    """Each failure of a provider raises the SDK's class for it, streamed or not."""
    wired.fails(status, "No luck today.", headers={"retry-after": "7"})
    with pytest.raises(kind) as raised:
        (read if stream else ask)(anthropic_client, wired.model)
    error = raised.value
    assert error.type == word
    assert str(error.request_id).startswith("req_")
    assert PROVIDER_KEY not in str(error.body)
    if status == 429:
        assert error.response.headers["retry-after"] == "7"


def test_the_sdk_tries_again_when_told(gateway: RunningGateway, wired: Far) -> None:
    """A rate limit that passes is over by the time that the answer told, and the SDK gets its answer."""
    wired.fails(429, "Slow down.", headers={"retry-after-ms": "20"})
    wired.says("At last.")
    with anthropic.Anthropic(base_url=gateway.url, api_key=KEY, max_retries=1) as client:
        assert "At last." in str(ask(client, wired.model).content)


@pytest.mark.parametrize(
    "nonsense",
    [
        whole(b"<html>It works!</html>", content_type="text/html"),
        whole(b"{}"),
        whole(b""),
        whole(b'{"type": "error", "error": {"message": "but 200"}}'),
    ],
)
def test_nonsense_with_status_200(anthropic_client: anthropic.Anthropic, wired: Far, nonsense: Answer) -> None:
    """What is not an answer is a 502, and never an empty success, streamed or not."""
    for way in (ask, read):
        wired.play(nonsense)
        with pytest.raises(anthropic.InternalServerError) as raised:
            way(anthropic_client, wired.model)
        assert raised.value.status_code == 502


# -- time and leaving --------------------------------------------------------------------------------------------------


def test_a_caller_without_patience(anthropic_client: anthropic.Anthropic, wired: Far) -> None:
    """A caller that gives up ends the call at the provider."""
    before = wired.upstream.abandoned
    wired.play(silent())
    with pytest.raises(anthropic.APITimeoutError):
        anthropic_client.messages.create(model=wired.model, max_tokens=50, messages=HELLO, timeout=0.3)
    wired.upstream.wait_for(lambda: wired.upstream.abandoned > before)


def test_a_time_limit_of_the_callers(anthropic_client: anthropic.Anthropic, wired: Far) -> None:
    """`x-narthex-timeout` bounds the call here: 504, and the provider is left."""
    before = wired.upstream.abandoned
    wired.play(silent())
    with pytest.raises(anthropic.GatewayTimeoutError) as raised:
        anthropic_client.messages.create(
            model=wired.model, max_tokens=50, messages=HELLO, extra_headers={"x-narthex-timeout": "0.3"}
        )
    assert raised.value.type == "timeout_error"
    wired.upstream.wait_for(lambda: wired.upstream.abandoned > before)


def test_leaving_in_the_middle(anthropic_client: anthropic.Anthropic, wired: Far) -> None:
    """A stream that is closed in the middle ends the call at the provider at once."""
    before = wired.upstream.abandoned
    wired.play((*streamed(wired.frames("one two three")[:4], ended=False), Stall()))
    with anthropic_client.messages.stream(model=wired.model, max_tokens=50, messages=HELLO) as stream:
        next(iter(stream))
        left_at = time.monotonic()
    noticed_at = wired.upstream.wait_for(lambda: wired.upstream.abandoned > before)
    logger.info("%s noticed after %.1f ms", wired.name, 1000 * (noticed_at - left_at))
    assert noticed_at - left_at < 2


async def test_a_task_that_is_cancelled(gateway: RunningGateway, wired: Far) -> None:
    """A cancelled task of the caller's ends the call at the provider."""
    upstream = wired.upstream
    before, asked = upstream.abandoned, len(upstream.requests)
    wired.play((*streamed(wired.frames("one two")[:4], ended=False), Stall()))
    async with anthropic.AsyncAnthropic(base_url=gateway.url, api_key=KEY, max_retries=0) as client:

        async def follow() -> None:
            async with client.messages.stream(model=wired.model, max_tokens=50, messages=HELLO) as stream:
                async for _ in stream:
                    pass

        task = asyncio.ensure_future(follow())
        await upstream.requested(asked + 1)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await upstream.disconnected(answers=before + 1)


# -- cut streams -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sends", [3, 4, 5, 6])
def test_a_cut_stream_is_never_whole(anthropic_client: anthropic.Anthropic, wired: Far, sends: int) -> None:
    """A stream that the provider breaks off, anywhere, raises in the SDK after what came."""
    wired.play(cut_after(streamed(wired.frames("one two three four")), sends=sends))
    with pytest.raises(anthropic.APIStatusError) as raised:
        read(anthropic_client, wired.model)
    assert raised.value.error_code in {"provider_truncated_answer", "provider_unreachable"}


def test_a_stream_that_ends_too_early(anthropic_client: anthropic.Anthropic, wired: Far) -> None:
    """A response that ends in good order without the answer's end raises all the same."""
    wired.play(streamed(wired.frames("one two three four")[:4]))
    with pytest.raises(anthropic.APIStatusError) as raised:
        read(anthropic_client, wired.model)
    assert raised.value.error_code == "provider_truncated_answer"


def test_an_error_inside_a_stream(anthropic_client: anthropic.Anthropic, wired: Far) -> None:
    """A failure that the provider reports inside its stream raises with its words."""
    report = openai_error("Out of breath.", code="server_error")
    bad = b"data: %b\n\n" % report if wired.name == "openai" else anthropic_frame("error", error=OUT_OF_BREATH)
    wired.play(streamed([*wired.frames("one two three")[:4], bad]))
    with pytest.raises(anthropic.APIStatusError, match="Out of breath"):
        read(anthropic_client, wired.model)


@pytest.mark.parametrize("after_chunks", [0, 1, 3])
@pytest.mark.parametrize("fault", ["truncate", "disconnect", "stream_error"])
def test_faults_of_the_script(anthropic_client: anthropic.Anthropic, fault: str, after_chunks: int) -> None:
    """The script's faults in the middle of a stream raise in the SDK too."""
    go: MessageParam = {"role": "user", "content": f"[[{fault} after_chunks={after_chunks}]] go"}
    with (
        pytest.raises(anthropic.APIStatusError),
        anthropic_client.messages.stream(model="demo/m", max_tokens=50, messages=[go]) as stream,
    ):
        stream.until_done()


def test_a_whole_answer_for_a_stream(anthropic_client: anthropic.Anthropic, wired: Far) -> None:
    """A provider that answers a request for a stream with a whole answer still makes a stream for the caller."""
    answer = openai_answer("All at once.") if wired.name == "openai" else anthropic_answer("All at once.")
    wired.play(whole(answer))
    message = read(anthropic_client, wired.model)
    assert "All at once." in str(message.content)
    assert message.stop_reason == "end_turn"
