"""One block of a streamed answer."""

from __future__ import annotations

from itertools import count

import msgspec
import pytest

from narthex.types.events import ReasoningDelta, TextDelta, ToolCallDelta, ToolCallStarted
from narthex.wire.anthropic_messages.schema import AnswerBlock, Delta
from narthex.wire.anthropic_messages.stream_blocks import BlockReader
from narthex.wire.anthropic_messages.stream_events import MalformedEvent


def test_a_block_is_numbered_when_it_first_speaks() -> None:
    """Blocks that stay silent take no number."""
    number = count(4).__next__
    silent, speaking = (BlockReader(AnswerBlock(type="text"), number) for _ in range(2))
    assert silent.start() == speaking.start() == []
    assert speaking.delta(Delta(type="text_delta", text="a")) == [TextDelta(text="a", part=4)]
    assert speaking.delta(Delta(type="text_delta", text="b")) == [TextDelta(text="b", part=4)]
    assert silent.stop() == []


def test_a_delta_of_another_kind_says_nothing() -> None:
    """Text in a tool call, or thinking in text, has no place."""
    block = BlockReader(AnswerBlock(type="text"), count().__next__)
    assert block.delta(Delta(type="thinking_delta", thinking="x")) == []
    assert block.delta(Delta(type="citations_delta")) == []


def test_arguments_are_told_once() -> None:
    """Those of the beginning only if no fragment came, and never twice."""
    call = AnswerBlock(type="tool_use", id="t", name="f", input=msgspec.Raw(b'{"a":1}'))
    block = BlockReader(call, count().__next__)
    assert block.start() == [ToolCallStarted(id="t", name="f")]
    assert block.stop() == [ToolCallDelta(arguments='{"a":1}')]
    assert block.stop() == []
    block = BlockReader(call, count().__next__)
    block.start()
    assert block.delta(Delta(type="input_json_delta", partial_json="{}")) == [ToolCallDelta(arguments="{}")]
    assert block.stop() == []


@pytest.mark.parametrize("block", [AnswerBlock(type="tool_use", id="t"), AnswerBlock(type="tool_use", name="f")])
def test_a_call_without_id_or_name_is_malformed(block: AnswerBlock) -> None:
    """It could not be answered."""
    with pytest.raises(msgspec.ValidationError):
        BlockReader(block, count().__next__).start()


def test_only_a_calls_beginning_cannot_be_made_up_for() -> None:
    """What follows tells that a block is text or thinking; a call's name is lost."""
    delta = Delta(type="signature_delta", signature="s")
    assert BlockReader.missed(delta, count().__next__).delta(delta) == [ReasoningDelta(signature="s")]
    with pytest.raises(MalformedEvent):
        BlockReader.missed(Delta(type="input_json_delta", partial_json="{"), count().__next__)
