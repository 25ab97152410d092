"""What the native API answers, as values."""

from __future__ import annotations

import msgspec
import pytest

from narthex.client.values import Generation, GenerationEvent, Model, Status
from tests.client.answers import GENERATION, MODEL, STATUS


def test_the_api_s_shapes_are_read() -> None:
    """What the API is documented to answer is read, and what it adds later is passed over."""
    generation = msgspec.convert(GENERATION, Generation)
    assert generation.usage is not None
    assert (generation.output, generation.usage.total_tokens) == ("Blue, mostly.", 7)
    model = msgspec.convert(MODEL, Model)
    assert (model.name, model.aliases, model.health.status) == ("local/smollm2", ("small",), "idle")
    status = msgspec.convert(STATUS, Status)
    assert (status.requests.failed, status.providers[0].health.checked_at) == (1, 1.5)
    (key,) = status.providers[0].keys
    assert (key.id, key.state, key.usable_in_s) == ("key-1", "cooling", 2.5)
    assert status.embedded is not None
    assert status.embedded.installed


def test_what_carries_the_meaning_must_be_there() -> None:
    """A generation without its text is none."""
    with pytest.raises(msgspec.ValidationError, match="missing required field `text`"):
        msgspec.convert({key: value for key, value in GENERATION.items() if key != "text"}, Generation)


def test_only_the_last_event_is_done() -> None:
    """The end of a generation is told from its pieces."""
    assert not GenerationEvent(text="x").done
    assert GenerationEvent(generation=msgspec.convert(GENERATION, Generation)).done
