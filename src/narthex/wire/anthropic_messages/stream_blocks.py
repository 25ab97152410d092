"""Reads one block of a streamed answer."""

from __future__ import annotations

from collections.abc import Callable

from narthex.types.events import Event, ReasoningDelta, TextDelta, ToolCallDelta, ToolCallStarted
from narthex.wire.anthropic_messages.answer import arguments_of, named_tool
from narthex.wire.anthropic_messages.schema import AnswerBlock, Delta
from narthex.wire.anthropic_messages.stream_events import MalformedEvent

_KINDS = {
    "text_delta": "text",
    "citations_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
}


class BlockReader:
    """One block of the answer, as far as it has come."""

    __slots__ = ("_arguments_seen", "_block", "_next_part", "_part")

    def __init__(self, block: AnswerBlock, next_part: Callable[[], int]) -> None:
        """Begin a block.

        Args:
            block: What `content_block_start` says of it.
            next_part: Numbers a part; called when the block first says something.
        """
        self._block = block
        self._next_part = next_part
        self._part: int | None = None
        self._arguments_seen = False

    @classmethod
    def missed(cls, delta: Delta, next_part: Callable[[], int]) -> BlockReader:
        """Make up for a beginning that was lost, from what follows it.

        Raises:
            MalformedEvent: It belongs to a tool call, whose name and ID are lost with the beginning.
        """
        kind = _KINDS.get(delta.type)
        if kind is None:
            raise MalformedEvent(f"a delta of type {delta.type!r} for a block that never began")
        return cls(AnswerBlock(type=kind), next_part)

    def start(self) -> list[Event]:
        """Return what the beginning of the block already tells.

        Raises:
            UnicodeDecodeError: The input of a tool is not UTF-8.
            msgspec.ValidationError: A tool call has no ID or no name.
        """
        block = self._block
        match block.type:
            case "text":
                return self._text(block.text or "", tuple(block.citations or ()))
            case "thinking":
                return self._thinking(block.thinking or "", block.signature or None)
            case "redacted_thinking":
                return [ReasoningDelta(redacted=block.data or "", part=self._number())]
            case "tool_use":
                call_id, name = named_tool(block)
                arguments_of(block)
                return [ToolCallStarted(id=call_id, name=name, part=self._number())]
            case _:
                return []

    def delta(self, delta: Delta) -> list[Event]:
        """Return what more of the block tells; a delta of another kind than the block's tells nothing."""
        match self._block.type, delta.type:
            case "text", "text_delta":
                return self._text(delta.text or "", ())
            case "text", "citations_delta":
                return self._text("", () if delta.citation is None else (delta.citation,))
            case "thinking", "thinking_delta":
                return self._thinking(delta.thinking or "", None)
            case "thinking", "signature_delta":
                return self._thinking("", delta.signature or None)
            case "tool_use", "input_json_delta":
                return self._arguments(delta.partial_json or "")
            case _:
                return []

    def stop(self) -> list[Event]:
        """Tell the arguments that came with the beginning, if none came after it."""
        if self._block.type != "tool_use" or self._arguments_seen or self._part is None:
            return []
        self._arguments_seen = True
        return [ToolCallDelta(arguments=arguments_of(self._block), part=self._part)]

    def _text(self, text: str, citations: tuple[dict[str, object], ...]) -> list[Event]:
        if not text and not citations:
            return []
        return [TextDelta(text=text, citations=citations, part=self._number())]

    def _thinking(self, text: str, signature: str | None) -> list[Event]:
        if not text and signature is None:
            return []
        return [ReasoningDelta(text=text, signature=signature, part=self._number())]

    def _arguments(self, arguments: str) -> list[Event]:
        if not arguments:
            return []
        self._arguments_seen = True
        return [ToolCallDelta(arguments=arguments, part=self._number())]

    def _number(self) -> int:
        if self._part is None:
            self._part = self._next_part()
        return self._part
