"""The shapes read here, against those of the vendor's own SDK."""

from __future__ import annotations

from typing import get_args

import anthropic.types

from narthex.wire.anthropic_messages.schema import (
    BLOCK_TYPES,
    EVENT_TYPES,
    RESULT_TYPES,
    Block,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    WireRequest,
    WireUsage,
)


def test_block_types_are_those_that_have_a_struct() -> None:
    """The list by which unknown blocks are named is the union that is read."""
    assert {block.__struct_config__.tag for block in get_args(Block)} == BLOCK_TYPES
    assert {block.__struct_config__.tag for block in (TextBlock, ImageBlock, DocumentBlock)} == RESULT_TYPES


def test_fields_are_spelled_as_the_vendor_spells_them() -> None:
    """Each field read of a request and of usage exists in the official SDK."""
    vendor = anthropic.types.MessageCreateParams
    known = {name for variant in get_args(vendor) for name in variant.__annotations__}
    known |= set(anthropic.types.message_create_params.MessageCreateParamsBase.__annotations__)
    older = {"temperature", "top_p", "top_k"}  # taken by models to 4.6, and no longer in the SDK
    assert set(WireRequest.__struct_fields__) - older <= known
    assert set(WireUsage.__struct_fields__) <= set(anthropic.types.Usage.model_fields)


def test_every_event_of_the_vendor_is_known() -> None:
    """The events of a stream are the SDK's, with the two that it keeps to itself."""
    union = get_args(get_args(anthropic.types.RawMessageStreamEvent)[0])
    vendor = {get_args(event.model_fields["type"].annotation)[0] for event in union}
    assert vendor | {"ping", "error"} == EVENT_TYPES
