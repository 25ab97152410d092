"""The official OpenAI SDK when things go wrong: each failure raises its right class, and no cut answer looks whole."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from narthex.testing.acts import Answer, Stall, cut_after, silent, streamed, whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import anthropic_answer, anthropic_frame, openai_answer, openai_error
from tests.gateways import KEY, RunningGateway
from tests.proof.houses import PROVIDER_KEY, Far, house

logger = logging.getLogger(__name__)

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]
OUT_OF_BREATH = {"type": "api_error", "message": "Out of breath."}


# -- errors ------------------------------------------------------------------------------------------------------------


def test_a_wrong_key(gateway: RunningGateway) -> None:
    """A wrong key is an authentication error, with the request's ID."""
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as raised,
    ):
        client.chat.completions.create(model="demo/m", messages=HELLO)
    assert raised.value.code == "invalid_api_key"
    assert raised.value.type == "authentication_error"
    assert str(raised.value.request_id).startswith("req_")


def test_an_unknown_model(openai_client: openai.OpenAI) -> None:
    """A name that no provider has is not found, and the nearest is named."""
    with pytest.raises(openai.NotFoundError) as raised:
        openai_client.chat.completions.create(model="demo/n", messages=HELLO)
    assert raised.value.code == "model_not_found"
    assert raised.value.param == "model"
    assert "demo/m" in raised.value.message


def test_a_request_that_is_not_valid(openai_client: openai.OpenAI) -> None:
    """A request that cannot be read for translation is a bad request that names the field."""
    for model in ("ant/claude-sonnet-4-5", "demo/m"):
        with pytest.raises(openai.BadRequestError) as raised:
            openai_client.chat.completions.create(model=model, messages=[{"role": "wizard", "content": "x"}])  # type: ignore[list-item, misc]  # the point
        assert raised.value.code == "invalid_request"
        assert "messages" in str(raised.value.param)


def test_a_body_that_is_too_large(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """A body over the limit is refused with 413."""
    with (
        house(tmp_path, upstream, server={"max_body_bytes": 2048}) as small,
        openai.OpenAI(base_url=f"{small.url}/v1", api_key=KEY, max_retries=0) as client,
        pytest.raises(openai.APIStatusError) as raised,
    ):
        client.chat.completions.create(model="demo/m", messages=[{"role": "user", "content": "x" * 5000}])
    assert raised.value.status_code == 413
    assert raised.value.code == "body_too_large"


FAILURES = [
    (400, openai.BadRequestError, "provider_rejected"),
    (401, openai.InternalServerError, "provider_authentication"),
    (403, openai.InternalServerError, "provider_authentication"),
    (404, openai.NotFoundError, "model_not_found"),
    (422, openai.UnprocessableEntityError, "provider_rejected"),
    (429, openai.RateLimitError, "provider_rate_limited"),
    (500, openai.InternalServerError, "provider_failed"),
    (502, openai.InternalServerError, "provider_failed"),
    (503, openai.InternalServerError, "provider_overloaded"),
    (504, openai.InternalServerError, "provider_timeout"),
    (529, openai.InternalServerError, "provider_overloaded"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("status", "kind", "code"), FAILURES)
def test_failures_of_a_provider(
    openai_client: openai.OpenAI, wired: Far, *, status: int, kind: type[openai.APIStatusError], code: str, stream: bool
) -> None:
    """Each failure of a provider raises the SDK's class for it, with our code, streamed or not."""
    wired.fails(status, "No luck today.", headers={"retry-after": "7"})
    with pytest.raises(kind) as raised:
        openai_client.chat.completions.create(model=wired.model, messages=HELLO, stream=stream)
    error = raised.value
    assert error.code == code
    assert str(error.request_id).startswith("req_")
    assert PROVIDER_KEY not in str(error.body)
    if status not in (401, 403):
        assert "No luck today." in error.message
    if status == 429:
        assert error.response.headers["retry-after"] == "7"


def test_a_provider_that_is_not_there(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """A provider that cannot be reached is a 502 that says so."""
    providers = {"gone": {"kind": "openai", "base_url": "http://127.0.0.1:1/v1"}}
    with (
        house(tmp_path, upstream, providers=providers, aliases={}, default_model="gone/x") as lonely,
        openai.OpenAI(base_url=f"{lonely.url}/v1", api_key=KEY, max_retries=0) as client,
        pytest.raises(openai.InternalServerError) as raised,
    ):
        client.chat.completions.create(model="gone/x", messages=HELLO)
    assert (raised.value.status_code, raised.value.code) == (502, "provider_unreachable")


def test_the_sdk_tries_again_when_told(gateway: RunningGateway, wired: Far) -> None:
    """A rate limit that passes is over by the time that the answer told, and the SDK gets its answer."""
    wired.fails(429, "Slow down.", headers={"retry-after-ms": "20"})
    wired.says("At last.")
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=1) as client:
        answer = client.chat.completions.create(model=wired.model, messages=HELLO)
    assert answer.choices[0].message.content == "At last."


@pytest.mark.parametrize(
    "nonsense",
    [
        whole(b"<html>It works!</html>", content_type="text/html"),
        whole(b"{}"),
        whole(b""),
        whole(b'{"error": {"message": "but 200"}}'),
    ],
)
def test_nonsense_with_status_200(openai_client: openai.OpenAI, wired: Far, nonsense: Answer) -> None:
    """What is not an answer is a 502, and never an empty success, streamed or not."""
    for stream in (False, True):
        wired.play(nonsense)
        with pytest.raises(openai.InternalServerError) as raised:
            openai_client.chat.completions.create(model=wired.model, messages=HELLO, stream=stream)
        assert raised.value.status_code == 502


# -- time and leaving --------------------------------------------------------------------------------------------------


def test_a_caller_without_patience(openai_client: openai.OpenAI, wired: Far) -> None:
    """A caller that gives up ends the call at the provider."""
    before = wired.upstream.abandoned
    wired.play(silent())
    with pytest.raises(openai.APITimeoutError):
        openai_client.chat.completions.create(model=wired.model, messages=HELLO, timeout=0.3)
    wired.upstream.wait_for(lambda: wired.upstream.abandoned > before)


def test_a_time_limit_of_the_callers(openai_client: openai.OpenAI, wired: Far) -> None:
    """`x-narthex-timeout` bounds the call here: 504, and the provider is left."""
    before = wired.upstream.abandoned
    wired.play(silent())
    with pytest.raises(openai.InternalServerError) as raised:
        openai_client.chat.completions.create(
            model=wired.model, messages=HELLO, extra_headers={"x-narthex-timeout": "0.3"}, stream=True
        )
    assert (raised.value.status_code, raised.value.type) == (504, "timeout_error")
    wired.upstream.wait_for(lambda: wired.upstream.abandoned > before)


def test_a_time_limit_that_is_none(openai_client: openai.OpenAI) -> None:
    """A time limit that is not a number of seconds is refused."""
    for value in ("soon", "0", "-1", "nan", "inf", "1e9"):
        with pytest.raises(openai.BadRequestError) as raised:
            openai_client.chat.completions.create(
                model="demo/m", messages=HELLO, extra_headers={"x-narthex-timeout": value}
            )
        assert raised.value.param == "x-narthex-timeout"


def test_leaving_in_the_middle(openai_client: openai.OpenAI, wired: Far) -> None:
    """A stream that is closed in the middle ends the call at the provider at once."""
    before = wired.upstream.abandoned
    wired.play((*streamed(wired.frames("one two three")[:4], ended=False), Stall()))
    with openai_client.chat.completions.create(model=wired.model, messages=HELLO, stream=True) as chunks:
        next(iter(chunks))
        left_at = time.monotonic()
    noticed_at = wired.upstream.wait_for(lambda: wired.upstream.abandoned > before)
    logger.info("%s noticed after %.1f ms", wired.name, 1000 * (noticed_at - left_at))
    assert noticed_at - left_at < 2


async def test_a_task_that_is_cancelled(gateway: RunningGateway, wired: Far) -> None:
    """A cancelled task of the caller's ends the call at the provider, before the first frame too."""
    upstream = wired.upstream
    for answer in (silent(), (*streamed(wired.frames("one two")[:4], ended=False), Stall())):
        before, asked = upstream.abandoned, len(upstream.requests)
        wired.play(answer)
        async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as client:

            async def read(client: openai.AsyncOpenAI = client) -> None:
                async with client.chat.completions.stream(model=wired.model, messages=HELLO) as stream:
                    async for _ in stream:
                        pass

            task = asyncio.ensure_future(read())
            await upstream.requested(asked + 1)
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await upstream.disconnected(answers=before + 1)


# -- cut streams -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sends", [3, 4, 5, 6])
def test_a_cut_stream_is_never_whole(openai_client: openai.OpenAI, wired: Far, sends: int) -> None:
    """A stream that the provider breaks off, anywhere, raises in the SDK after what came."""
    wired.play(cut_after(streamed(wired.frames("one two three four")), sends=sends))
    with (
        pytest.raises(openai.APIError) as raised,
        openai_client.chat.completions.create(model=wired.model, messages=HELLO, stream=True) as chunks,
    ):
        for _ in chunks:
            pass
    assert raised.value.code in {"provider_truncated_answer", "provider_unreachable"}


def test_a_stream_that_ends_too_early(openai_client: openai.OpenAI, wired: Far) -> None:
    """A response that ends in good order without the answer's end raises all the same."""
    wired.play(streamed(wired.frames("one two three four")[:4]))
    with (
        pytest.raises(openai.APIError) as raised,
        openai_client.chat.completions.stream(model=wired.model, messages=HELLO) as stream,
    ):
        stream.until_done()
    assert raised.value.code == "provider_truncated_answer"


def test_an_error_inside_a_stream(openai_client: openai.OpenAI, wired: Far) -> None:
    """A failure that the provider reports inside its stream raises with its words."""
    report = openai_error("Out of breath.", code="server_error")
    bad = b"data: %b\n\n" % report if wired.name == "openai" else anthropic_frame("error", error=OUT_OF_BREATH)
    wired.play(streamed([*wired.frames("one two three")[:4], bad]))
    with (
        pytest.raises(openai.APIError) as raised,
        openai_client.chat.completions.create(model=wired.model, messages=HELLO, stream=True) as chunks,
    ):
        for _ in chunks:
            pass
    assert "Out of breath." in raised.value.message


@pytest.mark.parametrize("after_chunks", [0, 1, 3])
@pytest.mark.parametrize("fault", ["truncate", "disconnect", "stream_error"])
def test_faults_of_the_script(openai_client: openai.OpenAI, fault: str, after_chunks: int) -> None:
    """The script's faults in the middle of a stream raise in the SDK too."""
    go: ChatCompletionMessageParam = {"role": "user", "content": f"[[{fault} after_chunks={after_chunks}]] go"}
    with (
        pytest.raises(openai.APIError),
        openai_client.chat.completions.create(model="demo/m", messages=[go], stream=True) as chunks,
    ):
        for _ in chunks:
            pass


def test_a_whole_answer_for_a_stream(openai_client: openai.OpenAI, wired: Far) -> None:
    """A provider that answers a request for a stream with a whole answer still makes a stream for the caller."""
    answer = openai_answer("All at once.") if wired.name == "openai" else anthropic_answer("All at once.")
    wired.play(whole(answer))
    with openai_client.chat.completions.stream(model=wired.model, messages=HELLO) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "All at once."
    assert final.choices[0].finish_reason == "stop"
