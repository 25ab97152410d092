"""The shape of requests covers what OpenAI's own SDK sends."""

from __future__ import annotations

import typing

from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming

from narthex.types.requests import ChatRequest
from narthex.wire.openai_chat.schema import SAME_NAME, RequestBody

ONLY_THIS_DIALECT = {
    "audio", "modalities", "moderation", "prediction", "prompt_cache_key", "prompt_cache_options",
    "prompt_cache_retention", "safety_identifier", "store", "verbosity", "web_search_options",
}  # fmt: skip
"""Members of OpenAI that have no meaning elsewhere: kept in `extra` and written back."""


def test_every_member_of_the_sdk_has_its_place() -> None:
    """A member is read, or is known to be this dialect's own; a new one in the SDK makes this fail."""
    members = set(typing.get_type_hints(CompletionCreateParamsNonStreaming))
    assert members - set(RequestBody.__struct_fields__) == ONLY_THIS_DIALECT


def test_members_of_the_same_name_are_in_both() -> None:
    """What is copied by name exists on both sides."""
    assert set(SAME_NAME) <= set(RequestBody.__struct_fields__)
    assert set(SAME_NAME) <= set(ChatRequest.__struct_fields__)
