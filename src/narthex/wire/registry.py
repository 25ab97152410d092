"""The dialects of chat that there are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from narthex.types.dialects import Dialect
from narthex.wire.anthropic_messages import ANTHROPIC_MESSAGES
from narthex.wire.contract import ChatWire
from narthex.wire.openai_chat import OPENAI_CHAT
from narthex.wire.openai_responses import OPENAI_RESPONSES

CHAT_WIRES: Mapping[Dialect, ChatWire] = MappingProxyType(
    {
        Dialect.OPENAI_CHAT: OPENAI_CHAT,
        Dialect.ANTHROPIC_MESSAGES: ANTHROPIC_MESSAGES,
        Dialect.OPENAI_RESPONSES: OPENAI_RESPONSES,
    }
)
"""Each wire under the dialect that it speaks."""
