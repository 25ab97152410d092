"""From messages to turns of blocks.

- System messages before the first other one are the `system` prompt. A later one from a client of another dialect
  becomes text of the user in its place, between `<system>` and `</system>`: most models refuse a system turn there,
  moving it to the front would change what it refers to and spoil the cached prefix, and without the tags the model
  could not tell it from the user's own words. A client of this dialect meant a system turn, and its provider gets one.
- Messages of one side that follow each other are one turn. In a user's turn the tool results come first, as the wire
  demands.
- Text that is empty or blank is left out, because the wire refuses it. A turn left without blocks is left out too.
- Reasoning without a signature (another provider's) cannot be sent back; it is left out and named as dropped.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from typing import assert_never

import msgspec

from narthex.errors import UnsupportedContent
from narthex.types.messages import (
    Audio,
    CacheMarker,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from narthex.wire.anthropic_messages.schema import Json

_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_PDF = "application/pdf"
_TOOL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NOT_IN_TOOL_ID = re.compile(r"[^a-zA-Z0-9_-]")
_OBJECT = msgspec.json.Decoder(dict[str, object])


class ContentWriter:
    """Writes messages, and keeps the names of what it had to drop."""

    def __init__(self, *, own: bool = False, citations: object = None) -> None:
        """Start with nothing dropped.

        Args:
            own: Whether the messages come from a client of this dialect.
            citations: What to ask of every document about citations, in the wire's own shape.
        """
        self.dropped: dict[str, None] = {}
        self._own = own
        self._citations = citations

    def conversation(self, messages: Sequence[Message]) -> tuple[list[Json], list[Json]]:
        """Return the blocks of the system prompt, and the turns.

        Raises:
            UnsupportedContent: The wire cannot carry a part.
        """
        lead = next((place for place, one in enumerate(messages) if not _is_system(one)), len(messages))
        system = [block for place in range(lead) for block in self._blocks(messages[place], place)]
        turns = self._turns(messages, lead)
        if not turns and system:
            # This wire knows no conversation of system messages alone; they are then what is asked.
            return [], [_turn("user", system)]
        if not turns:
            raise UnsupportedContent("messages: there is nothing to say but blank text", param="messages")
        return system, turns

    def _turns(self, messages: Sequence[Message], lead: int) -> list[Json]:
        runs: list[tuple[str, list[Json]]] = []
        for place in range(lead, len(messages)):
            role = self._role(messages[place])
            blocks = self._blocks(messages[place], place)
            if role == "user" and _is_system(messages[place]):
                _put_in_tags(blocks)
            if runs and runs[-1][0] == role:
                runs[-1][1].extend(blocks)
            elif blocks:
                runs.append((role, blocks))
        return [_turn(role, blocks) for role, blocks in runs]

    def _role(self, message: Message) -> str:
        if message.role == "assistant":
            return "assistant"
        return "system" if self._own and _is_system(message) else "user"

    def _blocks(self, message: Message, place: int) -> list[Json]:
        if message.name is not None:
            self.dropped["name"] = None
        blocks: list[Json] = []
        for number, part in enumerate(message.parts):
            where = f"messages.{place}.content.{number}"
            if _is_system(message) and not isinstance(part, Text):
                raise _unsupported(where, f"{type(part).__name__.lower()} in a {message.role} message", "text")
            block = self._block(part, where)
            if block is not None:
                blocks.append(block)
        return blocks

    def _block(self, part: Part, where: str) -> Json | None:
        match part:
            case Text() | Image() | File():
                return self._plain_block(part, where)
            case ToolCall():
                return _marked(tool_use(part), part.cache)
            case ToolResult():
                return self._tool_result(part, where)
            case Reasoning():
                return self._reasoning(part)
            case Refusal():
                return {"type": "text", "text": part.text} if part.text.strip() else None
            case Audio():
                raise _unsupported(where, "audio", "text, images and documents")
            case _:
                assert_never(part)

    def _plain_block(self, part: Text | Image | File, where: str) -> Json | None:
        match part:
            case Text():
                return self._text(part)
            case Image():
                if part.detail not in (None, "auto"):
                    self.dropped["detail"] = None
                return _marked({"type": "image", "source": _image_source(part, where)}, part.cache)
            case File():
                block: Json = {"type": "document", "source": _document_source(part, where)}
                if part.filename:
                    block["title"] = part.filename
                if self._citations is not None:
                    block["citations"] = self._citations
                return _marked(block, part.cache)
            case _:
                assert_never(part)

    def _text(self, part: Text) -> Json | None:
        if not part.text.strip():
            if part.cache is not None:
                self.dropped["cache"] = None
            return None
        return _marked(text_block(part), part.cache)

    def _tool_result(self, part: ToolResult, where: str) -> Json:
        inner = [self._plain_block(one, f"{where}.content.{place}") for place, one in enumerate(part.parts)]
        block: Json = {"type": "tool_result", "tool_use_id": tool_id(part.tool_call_id)}
        blocks = [one for one in inner if one is not None]
        if blocks:
            block["content"] = short_content(blocks)
        if part.is_error:
            block["is_error"] = True
        return _marked(block, part.cache)

    def _reasoning(self, part: Reasoning) -> Json | None:
        block = reasoning_block(part)
        if block.get("signature") == "":
            self.dropped["reasoning"] = None
            return None
        return block


def text_block(part: Text) -> Json:
    """Write text with its sources."""
    block: Json = {"type": "text", "text": part.text}
    citations = own_citations(part.citations)
    if citations:
        block["citations"] = citations
    return block


def own_citations(citations: Sequence[Json]) -> list[Json]:
    """Return the sources told in this wire's shapes, all of which are locations; others have nothing to say here."""
    return [citation for citation in citations if str(citation.get("type")).endswith("_location")]


def reasoning_block(part: Reasoning) -> Json:
    """Write thinking; the signature is empty where there is none."""
    if part.redacted is not None:
        return {"type": "redacted_thinking", "data": part.redacted}
    return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}


def tool_use(part: ToolCall) -> Json:
    """Write a tool call with its arguments byte for byte, if they are a JSON object.

    Others are wrapped under a key that says so, as the vendor advises:
    https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/fine-grained-tool-streaming
    """
    return {"type": "tool_use", "id": tool_id(part.id), "name": part.name, "input": _input(part.arguments)}


def short_content(blocks: list[Json]) -> str | list[Json]:
    """Return blocks as the wire's shorthand, a plain string, where they are a single plain text."""
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        return str(blocks[0]["text"])
    return blocks


def tool_id(call_id: str) -> str:
    """Keep an ID that the wire takes; make one of any other (`functions.find:0`), the same for call and result."""
    if _TOOL_ID.fullmatch(call_id):
        return call_id
    digest = hashlib.sha256(call_id.encode("utf-8", "replace")).hexdigest()[:12]
    return f"{_NOT_IN_TOOL_ID.sub('_', call_id)[:48]}_{digest}"


def cache_control(marker: CacheMarker) -> Json:
    """Write a breakpoint of the prompt cache."""
    return {"type": "ephemeral"} if marker.ttl is None else {"type": "ephemeral", "ttl": marker.ttl}


def _is_system(message: Message) -> bool:
    return message.role in ("system", "developer")


def _put_in_tags(blocks: list[Json]) -> None:
    for block in blocks:
        block["text"] = f"<system>\n{block['text']}\n</system>"


def _turn(role: str, blocks: list[Json]) -> Json:
    if role == "user" and any(block["type"] == "tool_result" for block in blocks):
        blocks = sorted(blocks, key=lambda block: block["type"] != "tool_result")
    return {"role": role, "content": short_content(blocks)}


def _marked(block: Json, marker: CacheMarker | None) -> Json:
    if marker is not None:
        block["cache_control"] = cache_control(marker)
    return block


def _input(arguments: str) -> msgspec.Raw | Json:
    if not arguments.strip():
        return {}
    try:
        _OBJECT.decode(arguments)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return {"INVALID_JSON": arguments}
    return msgspec.Raw(arguments.encode())


def _image_source(image: Image, where: str) -> Json:
    if image.file_id is not None:
        return {"type": "file", "file_id": image.file_id}
    if image.url is not None:
        return {"type": "url", "url": image.url}
    media_type = "image/jpeg" if image.media_type == "image/jpg" else image.media_type
    if media_type not in _IMAGE_TYPES:
        raise _unsupported(where, f"an image of type {media_type!r}", "JPEG, PNG, GIF and WebP")
    return {"type": "base64", "media_type": media_type, "data": image.data or ""}


def _document_source(file: File, where: str) -> Json:
    if file.file_id is not None:
        return {"type": "file", "file_id": file.file_id}
    if file.text is not None:
        return {"type": "text", "media_type": "text/plain", "data": file.text}
    if file.url is not None and file.media_type in (None, _PDF):
        return {"type": "url", "url": file.url}
    if file.data is not None and (file.media_type == _PDF or _is_untyped_pdf(file)):
        return {"type": "base64", "media_type": _PDF, "data": file.data}
    if file.data is not None and (file.media_type or "").startswith("text/"):
        return {"type": "text", "media_type": "text/plain", "data": _plain_text(file.data, where)}
    raise _unsupported(where, f"a file of type {file.media_type!r}", "PDF and plain text")


def _is_untyped_pdf(file: File) -> bool:
    """Know a PDF by its first bytes where nobody gave its type, as clients of OpenAI may do."""
    return file.media_type is None and (file.data or "").startswith("JVBERi")


def _plain_text(data: str, where: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _unsupported(where, "a text file that is not UTF-8 in base64", "PDF and plain text") from error


def _unsupported(where: str, what: str, taken: str) -> UnsupportedContent:
    return UnsupportedContent(
        f"{where}: {what} cannot be sent to this model, whose provider takes {taken}; "
        "choose another model or convert the content",
        param=where,
    )
