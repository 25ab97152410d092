"""What routing is told of a call, and that nothing is read before it asks."""

from __future__ import annotations

import json

import pytest

from narthex.errors import InvalidRequest
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.facts import facts_of
from narthex.types.dialects import Dialect, Operation
from tests.pipeline.doubles import CHAT, exchange

IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


def called(headers: dict[bytes, bytes] | None = None, **changes: object) -> Exchange:
    """Return an admitted call."""
    made = exchange({**CHAT, **changes}, headers=headers)
    made.read_head()
    return made


def test_what_stands_in_the_head_is_told() -> None:
    """Model, stream and tags are known at once."""
    facts = facts_of(called({b"x-narthex-tags": b"batch, night"}, stream=True))
    assert (facts.model, facts.streaming, facts.tags) == ("up/m", True, frozenset({"batch", "night"}))


def test_what_stands_in_the_body_is_found_out() -> None:
    """Size, modalities and tools come from the request."""
    plain = facts_of(called())
    assert (plain.modalities(), plain.tools()) == (frozenset(), False)
    rich = facts_of(called(messages=[{"role": "user", "content": [IMAGE]}], tools=[TOOL]))
    assert (rich.modalities(), rich.tools()) == (frozenset({"image"}), True)
    assert rich.input_tokens() > plain.input_tokens() > 0


def test_a_conversation_is_known_by_how_it_began() -> None:
    """Further turns do not change by what it is known; a name given by the caller counts first."""
    begun = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    further = [*begun, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "More."}]
    key = facts_of(called(messages=begun)).key()
    assert key
    assert facts_of(called(messages=further)).key() == key
    assert facts_of(called(messages=begun[1:])).key() != key
    assert facts_of(called({b"x-narthex-conversation": b"abc"}, messages=begun)).key() == "abc"


def test_a_body_that_cannot_be_read_tells_nothing() -> None:
    """It may still pass through to a provider that reads it otherwise."""
    facts = facts_of(called(messages="nonsense"))
    assert (facts.modalities(), facts.tools(), facts.key()) == (frozenset(), False, "")


def test_vectors_have_no_conversation() -> None:
    """A call for embeddings is about texts, not messages."""
    made = Exchange(Dialect.OPENAI_EMBEDDINGS, json.dumps({"model": "m", "input": "a"}).encode(), {}, Operation.EMBED)
    assert (facts_of(made).key(), facts_of(made).tools()) == ("", False)


def test_bad_tags_are_told() -> None:
    """A header that is no list of tags is the caller's to mend."""
    with pytest.raises(InvalidRequest, match="x-narthex-tags"):
        facts_of(called({b"x-narthex-tags": b"a" * 100}))
