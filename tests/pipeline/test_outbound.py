"""What goes out: the caller's bytes where they may pass, a translation where not, and nobody's secrets."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import InvalidRequest, UnsupportedContent
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.outbound import Outbound, outbound, with_member
from narthex.providers.catalog import Catalog
from narthex.providers.contract import PartialTimeouts, Timeouts
from narthex.types.dialects import Dialect, Operation
from narthex.types.requests import ChatRequest, EmbeddingRequest
from tests.pipeline.doubles import ANTHROPIC, CHAT, INNER, MESSAGE, OPENAI, Double, exchange

KEPT_HERE = [
    b"authorization",
    b"x-api-key",
    b"cookie",
    b"host",
    b"origin",
    b"x-narthex-timeout",
    b"accept",
    b"idempotency-key",
]
"""Headers of a caller that are nobody else's business."""
VECTORS = {"model": "up/e", "input": ["a"], "dimensions": 3}


def out(call: Exchange, dialects: frozenset[Dialect] = OPENAI, *, timeouts: Timeouts | None = None) -> Outbound:
    """Return what goes out for a call."""
    call.read_head()
    catalog = Catalog([(Double(dialects=dialects), timeouts or Timeouts())])
    return outbound(call, catalog.resolve(call.model_asked))


@pytest.mark.parametrize("blank", [b"", b" ", b"\n\t "])
def test_bytes_pass_but_for_the_model(blank: bytes) -> None:
    """In the provider's own dialect every byte goes out as it came, the model's name alone changed."""
    body = b'{"seed": 12345678901234567890123,%b "model":%b"up/m" , "x": 1.50}' % (blank, blank)
    sent = out(exchange(body))
    assert sent.passing
    assert sent.call.body == body.replace(b'"up/m"', b'"m"')
    assert sent.call.model == "m"


def test_a_body_that_quotes_the_key_is_changed_in_the_right_place() -> None:
    """Where the place cannot be told from the bytes, the body is written anew, and means the same."""
    body = {**CHAT, "messages": [{"role": "user", "content": 'say "model": "up/m"'}], "x": {"model": "up/m"}}
    assert json.loads(out(exchange(body)).call.body) == {**body, "model": "m"}


def test_usage_is_asked_for_in_streams() -> None:
    """A stream without the wish for usage gets it on our account, other options kept, and it is hidden again."""
    plain = out(exchange({**CHAT, "stream": True}))
    assert plain.hide_usage
    assert json.loads(plain.call.body)["stream_options"] == {"include_usage": True}
    more = out(exchange({**CHAT, "stream": True, "stream_options": {"x": 1, "include_usage": False}}))
    assert more.hide_usage
    assert json.loads(more.call.body)["stream_options"] == {"x": 1, "include_usage": True}
    none = out(exchange({**CHAT, "stream": True, "stream_options": None}))
    assert json.loads(none.call.body)["stream_options"] == {"include_usage": True}
    wanted = exchange({**CHAT, "stream": True, "stream_options": {"include_usage": True}})
    assert not out(wanted).hide_usage


def test_a_whole_answer_needs_no_options() -> None:
    """Nothing is added to a request that is not streamed, nor to one of Anthropic's, which tells usage anyway."""
    assert "stream_options" not in json.loads(out(exchange(CHAT)).call.body)
    message = exchange({**MESSAGE, "stream": True}, dialect=Dialect.ANTHROPIC_MESSAGES)
    sent = out(message, ANTHROPIC)
    assert sent.passing
    assert not sent.hide_usage
    assert json.loads(sent.call.body) == {**MESSAGE, "model": "m", "stream": True}


@pytest.mark.parametrize(
    ("dialect", "body", "target", "sent_in"),
    [
        (Dialect.OPENAI_CHAT, CHAT, ANTHROPIC, Dialect.ANTHROPIC_MESSAGES),
        (Dialect.ANTHROPIC_MESSAGES, MESSAGE, OPENAI, Dialect.OPENAI_CHAT),
    ],
)
def test_other_dialects_are_translated(
    dialect: Dialect, body: object, target: frozenset[Dialect], sent_in: Dialect
) -> None:
    """To a provider of another dialect the request goes out in that one, under its own name of the model."""
    sent = out(exchange(body, dialect=dialect), target)
    assert not sent.passing
    assert sent.call.dialect is sent_in
    assert json.loads(sent.call.body)["model"] == "m"


def test_what_is_dropped_is_kept_on_the_exchange() -> None:
    """Tuning without a word in the target's dialect is noted for the caller."""
    call = exchange({**CHAT, "seed": 7})
    out(call, ANTHROPIC)
    assert call.dropped == ("seed",)


def test_translated_streams_always_tell_usage() -> None:
    """A translated stream is asked to tell its usage, whatever the caller wished to see."""
    call = exchange({**MESSAGE, "stream": True}, dialect=Dialect.ANTHROPIC_MESSAGES)
    assert json.loads(out(call, OPENAI).call.body)["stream_options"] == {"include_usage": True}


def test_the_inner_vocabulary_gets_the_request_itself() -> None:
    """A provider without a wire gets the parsed request, and no bytes."""
    sent = out(exchange(CHAT), INNER)
    assert isinstance(sent.call.request, ChatRequest)
    assert sent.call.body == b""
    vectors = out(exchange(VECTORS, dialect=Dialect.OPENAI_EMBEDDINGS, operation=Operation.EMBED), INNER)
    assert isinstance(vectors.call.request, EmbeddingRequest)


def test_vectors_pass_or_are_refused() -> None:
    """Requests for vectors go where there are any; elsewhere they are refused at once."""
    call = exchange(VECTORS, dialect=Dialect.OPENAI_EMBEDDINGS, operation=Operation.EMBED)
    assert json.loads(out(call).call.body) == {**VECTORS, "model": "e"}
    with pytest.raises(UnsupportedContent):
        out(exchange(VECTORS, dialect=Dialect.OPENAI_EMBEDDINGS, operation=Operation.EMBED), ANTHROPIC)


def test_a_provider_of_vectors_alone_answers_no_chat() -> None:
    """A chat goes to no provider that has only vectors."""
    with pytest.raises(UnsupportedContent):
        out(exchange(CHAT), frozenset({Dialect.OPENAI_EMBEDDINGS}))


def test_vectors_in_another_dialect_are_translated() -> None:
    """A request from inside goes out in the dialect of vectors."""
    request = EmbeddingRequest(model="up/e", inputs=("a",))
    call = Exchange(Dialect.NATIVE, b"", {}, operation=Operation.EMBED, request=request)
    sent = out(call, frozenset({Dialect.OPENAI_EMBEDDINGS}))
    assert json.loads(sent.call.body) == {"model": "e", "input": ["a"]}


@given(st.dictionaries(st.sampled_from(KEPT_HERE), st.just(b"secret")))
def test_only_named_headers_go_on(theirs: dict[bytes, bytes]) -> None:
    """Trace and beta headers go on to the provider; the caller's keys, and all others, never do."""
    ours = {b"traceparent": b"00-1-2-01", b"anthropic-beta": b"b"}
    assert out(exchange(CHAT, headers={**theirs, **ours})).call.headers == {
        "traceparent": "00-1-2-01",
        "anthropic-beta": "b",
    }
    assert out(exchange(CHAT, headers=theirs)).call.headers == {}


def test_the_callers_time_takes_the_place_of_the_targets() -> None:
    """Each limit that the caller sets holds, for a shorter time or a longer one; the others are the target's."""
    call = exchange(CHAT)
    call.total_s = 900.0
    call.limits = PartialTimeouts(first_token_s=30.0)
    limits = out(call, timeouts=Timeouts(connect_s=1.0, first_token_s=20.0)).call.timeouts
    assert limits == Timeouts(connect_s=1.0, first_token_s=30.0, total_s=900.0)
    assert out(exchange(CHAT)).call.timeouts == Timeouts()


def test_a_member_is_put_into_a_body() -> None:
    """A member is set or changed, and a body that is not JSON is refused."""
    assert json.loads(with_member(b'{"a": 1}', "model", "m")) == {"a": 1, "model": "m"}
    with pytest.raises(InvalidRequest):
        with_member(b'{"a": "\\ud800"}', "model", "m")
