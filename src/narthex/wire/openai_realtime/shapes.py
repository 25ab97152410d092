"""What clients send: https://platform.openai.com/docs/api-reference/realtime-client-events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from narthex.errors import InvalidRequest, UnsupportedContent
from narthex.wire.openai_chat.request_decoding import UNREADABLE, invalid_body
from narthex.wire.openai_responses.schema import ItemBody, ReasoningBody, ToolBody, ToolChoiceBody

MAX_ID: Final = 64
MAX_OUTPUT_TOKENS: Final = 1_000_000
_ID = Annotated[str, Meta(min_length=1, max_length=MAX_ID, pattern=r"^[A-Za-z0-9_-]+$")]
_EventId = Annotated[str, Meta(max_length=512)]
Tokens = Annotated[int, Meta(ge=1, le=MAX_OUTPUT_TOKENS)] | Literal["inf"]
Object = object
"""Any value; by another name, because a field is called `object`."""

AUDIO_REMEDY: Final = (
    'this server speaks text here: set `output_modalities` to ["text"] and send text; for speech, call the provider'
)


class SessionBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What may be set for a session; what is not given stays as it is."""

    type: str | UnsetType = UNSET
    object: str | UnsetType = UNSET
    id: str | UnsetType | None = UNSET
    expires_at: int | UnsetType | None = UNSET
    model: str | UnsetType | None = UNSET
    instructions: str | UnsetType | None = UNSET
    output_modalities: list[str] | UnsetType | None = UNSET
    tools: list[ToolBody] | UnsetType | None = UNSET
    tool_choice: str | ToolChoiceBody | UnsetType | None = UNSET
    max_output_tokens: Tokens | UnsetType | None = UNSET
    parallel_tool_calls: bool | UnsetType | None = UNSET
    reasoning: ReasoningBody | UnsetType | None = UNSET
    audio: Object = None
    include: list[str] | None = None
    prompt: Object = None
    tracing: Object = None
    truncation: Object = None


class ResponseBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What may be set for one response."""

    conversation: str | None = None
    input: list[ItemIn] | None = None
    metadata: dict[str, str] | None = None
    instructions: str | UnsetType | None = UNSET
    output_modalities: list[str] | UnsetType | None = UNSET
    tools: list[ToolBody] | UnsetType | None = UNSET
    tool_choice: str | ToolChoiceBody | UnsetType | None = UNSET
    max_output_tokens: Tokens | UnsetType | None = UNSET
    parallel_tool_calls: bool | UnsetType | None = UNSET
    reasoning: ReasoningBody | UnsetType | None = UNSET
    audio: Object = None
    prompt: Object = None


class ItemIn(ItemBody, kw_only=True):
    """An item as clients write it."""

    object: str | None = None


class ClientEvent(msgspec.Struct, kw_only=True):
    """What every event of a client has."""

    type: str
    event_id: _EventId | None = None


class SessionUpdate(ClientEvent, kw_only=True):
    """Set something for the session."""

    session: SessionBody


class ItemCreate(ClientEvent, kw_only=True):
    """Put an item into the conversation."""

    item: ItemIn
    previous_item_id: str | None = None


class ItemRetrieve(ClientEvent, kw_only=True):
    """Ask for an item."""

    item_id: str


class ItemDelete(ClientEvent, kw_only=True):
    """Take an item out."""

    item_id: str


class ItemTruncate(ClientEvent, kw_only=True):
    """Cut an item of the model."""

    item_id: str
    content_index: Annotated[int, Meta(ge=0)]
    audio_end_ms: int


class ResponseCreate(ClientEvent, kw_only=True):
    """Ask the model for a response."""

    response: ResponseBody | None = None


class ResponseCancel(ClientEvent, kw_only=True):
    """End a response that is under way."""

    response_id: str | None = None


Known = SessionUpdate | ItemCreate | ItemRetrieve | ItemDelete | ItemTruncate | ResponseCreate | ResponseCancel
"""Everything that a client may say. Matches over it end in `assert_never`."""

_KINDS: Final[Mapping[str, type[Known]]] = {
    "session.update": SessionUpdate,
    "conversation.item.create": ItemCreate,
    "conversation.item.retrieve": ItemRetrieve,
    "conversation.item.delete": ItemDelete,
    "conversation.item.truncate": ItemTruncate,
    "response.create": ResponseCreate,
    "response.cancel": ResponseCancel,
}
_DECODERS: Final[Mapping[str, msgspec.json.Decoder[Known]]] = {
    name: msgspec.json.Decoder(kind) for name, kind in _KINDS.items()
}
_AUDIO: Final = ("input_audio_buffer.", "output_audio_buffer.")
_head = msgspec.json.Decoder(ClientEvent)


class _Named(msgspec.Struct):
    event_id: str | None = None


_named = msgspec.json.Decoder(_Named)


def read_event_id(message: bytes) -> str | None:
    """Return the ID that a client gave to its event, as far as there is one."""
    try:
        return _named.decode(message).event_id
    except UNREADABLE:
        return None


def read_event(message: bytes) -> Known:
    """Read an event of a client.

    Raises:
        InvalidRequest: It is none, or not one that is known.
        UnsupportedContent: It is about sound.
    """
    try:
        kind = _head.decode(message).type
        decoder = _DECODERS.get(kind)
        if decoder is not None:
            return decoder.decode(message)
    except UNREADABLE as error:
        raise invalid_body(error) from error
    if kind.startswith(_AUDIO):
        raise UnsupportedContent(f"type: {kind[:60]!r} is about sound; {AUDIO_REMEDY}", param="type")
    raise InvalidRequest(f"type: unknown event {kind[:60]!r}; known are {', '.join(_KINDS)}", param="type")


def read_session(raw: object) -> SessionBody:
    """Read what an ephemeral key shall say of sessions.

    Raises:
        InvalidRequest: It is not of this API.
    """
    try:
        return msgspec.convert(raw, SessionBody)
    except UNREADABLE as error:
        raise invalid_body(error) from error
