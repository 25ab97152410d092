"""The items of a conversation: as clients write them, as they are kept, and as they are told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from narthex.errors import InvalidRequest, UnsupportedContent
from narthex.types.messages import Message, Reasoning
from narthex.wire.openai_realtime.shapes import AUDIO_REMEDY, MAX_ID
from narthex.wire.openai_responses.bodies import untranslatable
from narthex.wire.openai_responses.items_decode import joined, messages_of
from narthex.wire.openai_responses.schema import ContentBody, ItemBody, Json

_ID: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_ID}}}")
_PARTS: Final[Mapping[str, frozenset[str]]] = {
    "system": frozenset({"input_text"}),
    "user": frozenset({"input_text", "input_image"}),
    "assistant": frozenset({"output_text"}),
}
_OLDER_WORDS: Final = {"text": "output_text"}
_SOUND: Final = frozenset({"input_audio", "output_audio", "audio"})
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "message": ("role", "content"),
    "function_call": ("name", "call_id", "arguments"),
    "function_call_output": ("call_id", "output"),
}


class Item(msgspec.Struct, kw_only=True):
    """One item of a conversation."""

    body: ItemBody
    """As read and checked; its `id` is given."""
    thoughts: tuple[Reasoning, ...] = ()
    """What the model thought before it, which its provider wants back with a call of a tool; never told."""
    size_bytes: int = 0
    """What it counts for in its conversation."""

    @property
    def id(self) -> str:
        """Its ID in the conversation."""
        assert self.body.id is not None
        return self.body.id

    def shown(self, status: str | None = None) -> Json:
        """Return it as clients are told."""
        body = self.body
        told: Json = {
            "id": self.id,
            "object": "realtime.item",
            "type": body.type,
            "status": status or body.status or "completed",
        }
        for name in _FIELDS[body.type]:
            value = getattr(body, name)
            told[name] = [_part(one) for one in value] if name == "content" else value
        return told


def read_item(body: ItemBody, item_id: str, where: str = "item") -> Item:
    """Return an item that a client writes.

    Args:
        body: As it came.
        item_id: Its ID where the client gives none.
        where: Its place in the client's event, for errors.

    Raises:
        InvalidRequest: It is not of this API; `param` names the field.
        UnsupportedContent: It needs sound, or something that is not there.
    """
    fields = _FIELDS.get(body.type)
    if fields is None:
        raise untranslatable(f"an item of type {body.type[:40]!r}", f"{where}.type", "use messages and function calls")
    if body.id is not None and not _ID.fullmatch(body.id):
        raise InvalidRequest(f"{where}.id: use 1 to {MAX_ID} letters, digits, - and _", param=f"{where}.id")
    kept = ItemBody(type=body.type, id=body.id or item_id, status="completed")
    for name in fields:
        setattr(kept, name, getattr(body, name))
    _fill(kept, item_id, where)
    try:
        messages_of([kept])
    except (InvalidRequest, UnsupportedContent) as error:
        raise _placed(error, where) from error
    item = Item(body=kept)
    item.size_bytes = len(msgspec.json.encode(item.shown()))
    return item


def messages(items: Iterable[Item]) -> tuple[Message, ...]:
    """Return the messages that items make, oldest first; a call of a function that is not whole makes none."""
    turns: list[Message] = []
    for item in items:
        if item.body.status == "in_progress" or (
            item.body.type == "function_call" and item.body.status == "incomplete"
        ):
            continue
        if item.thoughts:
            turns.append(Message(role="assistant", parts=item.thoughts))
        turns += messages_of([item.body])
    return joined(turns)


def _fill(item: ItemBody, item_id: str, where: str) -> None:
    """Check what the type says must be there, and bring it to the one form it is kept in."""
    match item.type:
        case "message":
            _check_message(item, where)
        case "function_call":
            item.call_id = item.call_id or f"call_{item_id}"
            if not isinstance(item.arguments, str):
                item.arguments = msgspec.json.encode(item.arguments or {}).decode()
        case _:
            if item.output is None:
                raise InvalidRequest(f"{where}.output: this field is required here", param=f"{where}.output")
            if not isinstance(item.output, str):
                raise InvalidRequest(f"{where}.output: must be text", param=f"{where}.output")


def _check_message(item: ItemBody, where: str) -> None:
    kinds = _PARTS.get(item.role or "")
    if kinds is None:
        raise InvalidRequest(f"{where}.role: use system, user or assistant", param=f"{where}.role")
    if not isinstance(item.content, list):
        raise InvalidRequest(f"{where}.content: must be a list of parts", param=f"{where}.content")
    for index, part in enumerate(item.content):
        part.type = _OLDER_WORDS.get(part.type, part.type)
        field = f"{where}.content.{index}.type"
        if part.type in _SOUND:
            raise UnsupportedContent(f"{field}: {part.type!r} is sound; {AUDIO_REMEDY}", param=field)
        if part.type not in kinds:
            known = ", ".join(sorted(kinds))
            raise InvalidRequest(f"{field}: {part.type[:40]!r} cannot be said by {item.role}; use {known}", param=field)


def _placed(error: InvalidRequest | UnsupportedContent, where: str) -> InvalidRequest | UnsupportedContent:
    """Return an error about the first of some items as one about this."""
    message = error.message.replace("input.0", where, 1)
    return type(error)(message, param=None if error.param is None else error.param.replace("input.0", where, 1))


def _part(part: ContentBody) -> Json:
    return {name: value for name, value in msgspec.to_builtins(part).items() if value is not None}
