"""Responses that are kept: what is written down of one, and how a later request goes on from it.

What a caller asked and what a model answered are kept as they were written. Items that come before another request
lose their IDs, which mean something to whoever made them alone; thoughts keep theirs, as they are sealed together, and
the work of a provider's own tools keeps them, as they demand it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from narthex.errors import Cancelled, InvalidRequest, NarthexError
from narthex.wire.failures import public_code
from narthex.wire.openai_chat.chunks import UNREADABLE
from narthex.wire.openai_chat.request_decoding import invalid_body

RawJson = dict[str, msgspec.Raw]
"""A JSON object whose members stay as they were written."""

_PREFIXES: Final = {"message": "msg", "reasoning": "rs", "function_call": "fc", "function_call_output": "fco"}
_OURS: Final = b'"item_'
"""Begins the ID that an item of another type gets here, to be listed by."""
_COMPLETED: Final = msgspec.Raw(b'"completed"')
_MESSAGE: Final = msgspec.Raw(b'"message"')
_UNDER_WAY: Final = frozenset({"queued", "in_progress"})
_NOT_SENT: Final = frozenset({"id", "status"})
_NAMELESS: Final = tuple(
    None if kind is None else msgspec.Raw(b'"%b"' % kind)
    for kind in (None, b"message", b"function_call", b"function_call_output")
)
"""Types of items that are understood without their ID; those of a provider's own tools are not."""
_NOT_FOR_PROVIDERS: Final = frozenset({"background", "previous_response_id", "conversation"})


class KeptResponse(msgspec.Struct, kw_only=True):
    """A response, and what it answers."""

    id: str
    response: msgspec.Raw
    """As it ended."""
    status: str
    input: list[RawJson] = []
    """The items that were asked with it; not those of responses before."""
    previous: str | None = None
    """The ID of the response that it goes on from."""
    by: str = ""
    """The key, or the user, that asked for it."""
    node: str = ""
    """The process that carries it on, if others may ask for it meanwhile."""

    @property
    def size_bytes(self) -> int:
        """Its size, without the names of its members."""
        return len(self.response) + sum(len(raw) for item in self.input for raw in item.values())

    @property
    def ended(self) -> bool:
        """Whether it has."""
        return self.status not in _UNDER_WAY

    @property
    def background(self) -> bool:
        """Whether it was answered in the background."""
        return _answered.decode(self.response).background is True

    def standing(self, status: str) -> KeptResponse:
        """Return it as it stands while it is being made."""
        return self._with(status, {})

    def failed(self, error: NarthexError) -> KeptResponse:
        """Return it as one that ended without an answer."""
        if isinstance(error, Cancelled):
            return self._with("cancelled", {})
        told = {"code": public_code(error), "message": error.message}
        return self._with("failed", {"error": _raw(told)})

    def _with(self, status: str, members: RawJson) -> KeptResponse:
        told = _object.decode(self.response) | {"status": _raw(status)} | members
        return msgspec.structs.replace(self, response=msgspec.Raw(_encode(told)), status=status)

    def encode(self) -> bytes:
        """Write it down."""
        return _encode(self)


class _Asked(msgspec.Struct):
    input: msgspec.Raw = msgspec.Raw(b'""')


class _Answered(msgspec.Struct):
    id: str = ""
    status: str = ""
    output: list[RawJson] = []
    background: bool | None = None


_encode = msgspec.json.Encoder().encode
_kept = msgspec.json.Decoder(KeptResponse)
_asked = msgspec.json.Decoder(_Asked)
_answered = msgspec.json.Decoder(_Answered)
_input = msgspec.json.Decoder(str | list[RawJson])
_object = msgspec.json.Decoder(RawJson)


def decode_kept(data: bytes) -> KeptResponse:
    """Read what was written down."""
    return _kept.decode(data)


def keep(response: bytes, asked: bytes, *, previous: str | None, by: str = "") -> KeptResponse:
    """Return what is written down of a response.

    Args:
        response: It, as it ended.
        asked: The body of its request, without what came before.
        previous: The response that it goes on from, if any.
        by: The key, or the user, that asked for it.

    Raises:
        msgspec.MsgspecError: One of the two is not of this dialect.
    """
    answered = _answered.decode(response)
    told = _object.decode(response) | {"previous_response_id": _raw(previous), "store": msgspec.Raw(b"true")}
    return KeptResponse(
        id=answered.id,
        response=msgspec.Raw(_encode(told)),
        status=answered.status,
        input=_own_items(asked, answered.id.removeprefix("resp_")),
        previous=previous,
        by=by,
    )


def items_of(chain: Iterable[KeptResponse]) -> list[RawJson]:
    """Return the items of responses that go on from each other, oldest first, the output of the last included."""
    items: list[RawJson] = []
    for kept in chain:
        items += kept.input
        items += _answered.decode(kept.response).output
    return items


def input_of(chain: Sequence[KeptResponse]) -> list[RawJson]:
    """Return the items that the last of responses that go on from each other was made of, oldest first."""
    return [*items_of(chain[:-1]), *chain[-1].input]


def continued(body: bytes, chain: Iterable[KeptResponse]) -> bytes:
    """Return a request with everything that came before it put before its input.

    Args:
        body: The request.
        chain: The responses that it goes on from, oldest first.

    Raises:
        InvalidRequest: Its input is not of this dialect.
    """
    try:
        members = _object.decode(body)
        own = members.get("input", msgspec.Raw(b'""'))
        said = _input.decode(own)
    except UNREADABLE as error:
        raise invalid_body(error) from error
    before = [_sendable(item) for item in items_of(chain)]
    if isinstance(said, str):
        said = [{"role": msgspec.Raw(b'"user"'), "content": own}] if said else []
    if not said:
        raise InvalidRequest("input: there is nothing to answer; give a text or items", param="input")
    members["input"] = msgspec.Raw(_encode([*before, *said]))
    return _encode(members)


def for_provider(body: bytes) -> bytes:
    """Return a request as it goes to a provider that speaks this API: what is kept is kept here, and nowhere else."""
    members = {name: raw for name, raw in _object.decode(body).items() if name not in _NOT_FOR_PROVIDERS}
    return _encode(members | {"store": msgspec.Raw(b"false")})


def _own_items(asked: bytes, stem: str) -> list[RawJson]:
    raw = _asked.decode(asked).input
    said = _input.decode(raw)
    if isinstance(said, str):
        said = [{"role": msgspec.Raw(b'"user"'), "content": raw}] if said else []
    return [_own_item(item, f"{stem}_i{number}") for number, item in enumerate(said)]


def _own_item(item: RawJson, stem: str) -> RawJson:
    """Return an item that was asked as one that can be listed: with an ID, a type and its content in parts."""
    made = {"type": _MESSAGE} | item
    kind = str(msgspec.json.decode(made["type"]))
    if _is_null(made.get("id")):
        made["id"] = _raw(f"{_PREFIXES.get(kind, 'item')}_{stem}")
    if kind == "message":
        content = made.get("content")
        if content is not None and bytes(content).startswith(b'"'):
            part = b"output_text" if made.get("role") == msgspec.Raw(b'"assistant"') else b"input_text"
            more = b',"annotations":[]' if part == b"output_text" else b""
            made["content"] = msgspec.Raw(b'[{"type":"%b","text":%b%b}]' % (part, bytes(content), more))
        if _is_null(made.get("status")):
            made["status"] = _COMPLETED
    return made


def _sendable(item: RawJson) -> RawJson:
    if item.get("type") not in _NAMELESS and not bytes(item.get("id", b"")).startswith(_OURS):
        return item
    return {name: raw for name, raw in item.items() if name not in _NOT_SENT}


def _is_null(raw: msgspec.Raw | None) -> bool:
    return raw is None or raw == msgspec.Raw(b"null")


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))
