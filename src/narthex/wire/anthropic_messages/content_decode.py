"""From the blocks of a request to parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from narthex.types.messages import CacheMarker, File, Image, Part, Reasoning, Text, ToolCall, ToolResult
from narthex.wire.anthropic_messages.bodies import raw_text
from narthex.wire.anthropic_messages.schema import (
    Base64Source,
    Block,
    CacheControl,
    ContentSource,
    DocumentBlock,
    FileSource,
    ImageBlock,
    RedactedThinkingBlock,
    TextBlock,
    TextSource,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    UrlSource,
)

ResultPart = Text | Image | File


def parts_of(content: str | Sequence[Block], where: str) -> tuple[Part, ...]:
    """Return the parts of one message.

    Args:
        content: A text, or blocks.
        where: The path of `content` in the request, for messages of errors.

    Raises:
        InvalidRequest: A tool's input is not UTF-8.
    """
    if isinstance(content, str):
        return (Text(text=content),)
    parts: list[Part] = []
    for place, block in enumerate(content):
        parts += _block_parts(block, f"{where}.{place}")
    return tuple(parts)


def text_parts(content: str | Sequence[TextBlock]) -> tuple[Text, ...]:
    """Return the parts of the system prompt."""
    if isinstance(content, str):
        return (Text(text=content),)
    return tuple(_text(block) for block in content)


def marker(control: CacheControl | None) -> CacheMarker | None:
    """Return the cache marker for a breakpoint."""
    return None if control is None else CacheMarker(ttl=control.ttl)


def _block_parts(block: Block, where: str) -> Sequence[Part]:
    match block:
        case TextBlock() | ImageBlock() | DocumentBlock():
            return _result_parts(block)
        case ToolUseBlock():
            arguments = raw_text(block.input, f"{where}.input")
            return (ToolCall(id=block.id, name=block.name, arguments=arguments, cache=marker(block.cache_control)),)
        case ToolResultBlock():
            return (_tool_result(block),)
        case ThinkingBlock():
            return (Reasoning(text=block.thinking, signature=block.signature or None),)
        case RedactedThinkingBlock():
            return (Reasoning(redacted=block.data),)
        case _:
            assert_never(block)


def _result_parts(block: TextBlock | ImageBlock | DocumentBlock) -> Sequence[ResultPart]:
    match block:
        case TextBlock():
            return (_text(block),)
        case ImageBlock():
            return (_image(block),)
        case DocumentBlock():
            return _document(block)
        case _:
            assert_never(block)


def _text(block: TextBlock) -> Text:
    return Text(text=block.text, cache=marker(block.cache_control), citations=tuple(block.citations or ()))


def _image(block: ImageBlock) -> Image:
    cache = marker(block.cache_control)
    match block.source:
        case Base64Source(media_type=media_type, data=data):
            return Image(data=data, media_type=media_type, cache=cache)
        case UrlSource(url=url):
            return Image(url=url, cache=cache)
        case FileSource(file_id=file_id):
            return Image(file_id=file_id, cache=cache)
        case _:
            assert_never(block.source)


def _document(block: DocumentBlock) -> Sequence[ResultPart]:
    """Return a document as a file; what it says of the document (`context`) goes before it as text."""
    parts: list[ResultPart] = [Text(text=block.context)] if block.context else []
    cache = marker(block.cache_control)
    match block.source:
        case Base64Source(media_type=media_type, data=data):
            parts.append(File(data=data, media_type=media_type, filename=block.title, cache=cache))
        case UrlSource(url=url):
            parts.append(File(url=url, filename=block.title, cache=cache))
        case FileSource(file_id=file_id):
            parts.append(File(file_id=file_id, filename=block.title, cache=cache))
        case TextSource(data=data, media_type=media_type):
            parts.append(File(text=data, media_type=media_type, filename=block.title, cache=cache))
        case ContentSource(content=content):
            parts += _content_document(content, title=block.title, cache=cache)
        case _:
            assert_never(block.source)
    return parts


def _content_document(
    content: str | list[TextBlock | ImageBlock], *, title: str | None, cache: CacheMarker | None
) -> Sequence[ResultPart]:
    """Return a document of blocks: one text file if it is all text, else its pieces in order."""
    if isinstance(content, str):
        return (File(text=content, media_type="text/plain", filename=title, cache=cache),)
    texts = [block.text for block in content if isinstance(block, TextBlock)]
    if len(texts) == len(content):
        return (File(text="\n\n".join(texts), media_type="text/plain", filename=title, cache=cache),)
    head = (Text(text=title),) if title else ()
    return (*head, *(_text(block) if isinstance(block, TextBlock) else _image(block) for block in content))


def _tool_result(block: ToolResultBlock) -> ToolResult:
    parts: list[ResultPart] = []
    if isinstance(block.content, str):
        parts.append(Text(text=block.content))
    else:
        for inner in block.content or ():
            parts += _result_parts(inner)
    return ToolResult(
        tool_call_id=block.tool_use_id,
        parts=tuple(parts),
        is_error=bool(block.is_error),
        cache=marker(block.cache_control),
    )
