"""Blocks of a client's request."""

from __future__ import annotations

import pytest

from narthex.types.messages import CacheMarker, File, Image, Part, Reasoning, Text, ToolResult
from narthex.wire.anthropic_messages.content_decode import marker, parts_of, text_parts
from narthex.wire.anthropic_messages.schema import (
    Base64Source,
    CacheControl,
    ContentSource,
    DocumentBlock,
    FileSource,
    ImageBlock,
    TextBlock,
    TextSource,
    ThinkingBlock,
    ToolResultBlock,
    UrlSource,
)

PICTURE = ImageBlock(source=UrlSource(url="https://x"))


@pytest.mark.parametrize(
    ("document", "parts"),
    [
        (
            DocumentBlock(source=Base64Source(media_type="application/pdf", data="AA=="), title="T"),
            (File(data="AA==", media_type="application/pdf", filename="T"),),
        ),
        (DocumentBlock(source=UrlSource(url="https://x")), (File(url="https://x"),)),
        (DocumentBlock(source=FileSource(file_id="f")), (File(file_id="f"),)),
        (DocumentBlock(source=TextSource(data="t")), (File(text="t", media_type="text/plain"),)),
        (
            DocumentBlock(source=TextSource(data="t"), context="From 1990.", cache_control=CacheControl()),
            (Text(text="From 1990."), File(text="t", media_type="text/plain", cache=CacheMarker())),
        ),
        (DocumentBlock(source=ContentSource(content="t")), (File(text="t", media_type="text/plain"),)),
        (
            DocumentBlock(source=ContentSource(content=[TextBlock(text="a"), TextBlock(text="b")]), title="T"),
            (File(text="a\n\nb", media_type="text/plain", filename="T"),),
        ),
        (
            DocumentBlock(source=ContentSource(content=[TextBlock(text="a"), PICTURE]), title="T"),
            (Text(text="T"), Text(text="a"), Image(url="https://x")),
        ),
    ],
)
def test_reads_every_document(document: DocumentBlock, parts: tuple[Part, ...]) -> None:
    """A document is a file; what is said about it, and one that mixes text and pictures, is kept as parts in order."""
    assert parts_of([document], "c") == parts


def test_reads_results_of_every_shape() -> None:
    """A result may be a string, blocks or nothing."""
    blocks = [
        ToolResultBlock(tool_use_id="a", content="x", is_error=True),
        ToolResultBlock(tool_use_id="b", content=[TextBlock(text="y"), PICTURE], cache_control=CacheControl(ttl="1h")),
        ToolResultBlock(tool_use_id="c"),
    ]
    assert parts_of(blocks, "c") == (
        ToolResult(tool_call_id="a", parts=(Text(text="x"),), is_error=True),
        ToolResult(tool_call_id="b", parts=(Text(text="y"), Image(url="https://x")), cache=CacheMarker(ttl="1h")),
        ToolResult(tool_call_id="c"),
    )


def test_text_keeps_its_sources() -> None:
    """Citations in an earlier answer of the model are kept with their text."""
    assert parts_of([TextBlock(text="a", citations=[{"type": "x"}])], "c") == (
        Text(text="a", citations=({"type": "x"},)),
    )


def test_thinking_without_proof_has_none() -> None:
    """Thinking of other providers reaches clients with an empty signature, and comes back so."""
    assert parts_of([ThinkingBlock(thinking="t", signature="")], "c") == (Reasoning(text="t"),)


def test_a_string_is_one_text() -> None:
    """The wire's shorthand for content and for the system prompt."""
    assert parts_of("a", "c") == text_parts("a") == (Text(text="a"),)


def test_a_breakpoint_is_a_marker() -> None:
    """With its time to live, if given."""
    assert marker(None) is None
    assert marker(CacheControl(ttl="5m")) == CacheMarker(ttl="5m")
