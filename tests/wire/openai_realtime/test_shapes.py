"""Events of clients: each is read as what it says, and anything else is refused, never broken on."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import InvalidRequest, UnsupportedContent
from narthex.wire.openai_realtime.shapes import (
    ItemCreate,
    ResponseCreate,
    SessionUpdate,
    read_event,
    read_event_id,
    read_session,
)

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(["session", "item", "item_id", "response", "type", "event_id", "previous_item_id", "content"])
_KINDS = st.sampled_from(
    ["session.update", "conversation.item.create", "conversation.item.delete", "response.create", "response.cancel"]
)


def test_events_are_read_as_what_they_are() -> None:
    """The type decides; the event's own ID is kept."""
    update = read_event(b'{"type":"session.update","event_id":"e","session":{"instructions":null}}')
    assert isinstance(update, SessionUpdate)
    assert update.session.instructions is None
    create = read_event(b'{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[]}}')
    assert isinstance(create, ItemCreate)
    assert isinstance(read_event(b'{"type":"response.create"}'), ResponseCreate)


@pytest.mark.parametrize("message", [b"", b"{", b"[]", b"1", b'{"type":"x"}', b'{"type":null}', b"[" * 10_000])
def test_what_is_no_event_is_refused(message: bytes) -> None:
    """Broken JSON, other values and unknown types are told as what they are."""
    with pytest.raises(InvalidRequest):
        read_event(message)
    assert read_event_id(message) is None


def test_sound_is_refused_with_the_remedy() -> None:
    """Events about sound are known, and cannot be had."""
    with pytest.raises(UnsupportedContent, match="output_modalities"):
        read_event(b'{"type":"input_audio_buffer.commit"}')


def test_an_id_is_found_in_an_event_that_is_faulty_otherwise() -> None:
    """The client's ID is told with the error, whatever else is wrong."""
    assert read_event_id(b'{"type":5,"event_id":"mine"}') == "mine"


def test_a_session_is_read_from_what_is_no_text() -> None:
    """What an ephemeral key says is read by the same shape."""
    assert read_session({"type": "realtime", "max_output_tokens": "inf"}).max_output_tokens == "inf"
    with pytest.raises(InvalidRequest):
        read_session({"max_output_tokens": 0})


@given(_KINDS, st.dictionaries(_NAMES, _JSON, max_size=4))
def test_nothing_that_is_sent_breaks_the_reader(kind: str, fields: dict[str, object]) -> None:
    """Any JSON of a known type is read, or refused as the client's mistake."""
    with suppress(InvalidRequest, UnsupportedContent):
        read_event(json.dumps({**fields, "type": kind}).encode())
