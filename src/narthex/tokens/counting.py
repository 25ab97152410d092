"""The input tokens of a whole request.

OpenAI documents how its chat models frame messages:
https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken. For those and plain text the count is exact;
with anything undocumented in the request, or for another vendor's model, it is an estimate and says so.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import assert_never

import msgspec

from narthex.tokens.encodings import ENCODINGS, Encoding, EncodingName, encoding_for
from narthex.tokens.media import audio_tokens, file_tokens, image_tokens
from narthex.types.messages import (
    Audio,
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
from narthex.types.requests import ChatRequest, ResponseFormat, Tool

INLINE_CHARACTERS = 1_000
"""Texts up to this length are counted on the event loop: 4 ms at worst, which is a text without a single space."""

_FALLBACK: EncodingName = "o200k_base"
_DOCUMENTED = ("gpt-3.5-turbo", "gpt-4-", "gpt-4o")
_PER_MESSAGE = 3
_PER_NAME = 1
_REPLY_PRIMING = 3
_PER_TOOL = 7
_ALL_TOOLS = 12
_PER_CALL = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Input tokens."""

    tokens: int
    exact: bool
    """Whether the provider will report the same number."""


def count_chat(request: ChatRequest, model: str) -> Count:
    """Count the input tokens of `request`; reading the encoding takes half a second the first time.

    The model counted by is `model`, with or without its provider: `request.model` may be an alias.
    """
    known = encoding_for(model)
    counter = _Counter(ENCODINGS.get(known or _FALLBACK))
    for message in request.messages:
        counter.message(message)
    counter.tools(request.tools)
    counter.form(request.response_format)
    exact = known is not None and _is_documented(model) and counter.exact
    return Count(tokens=counter.tokens + _REPLY_PRIMING, exact=exact)


async def count_chat_async(request: ChatRequest, model: str) -> Count:
    """Count without holding up the event loop: in a thread if the texts are long or the encoding must be read."""
    if ENCODINGS.is_loaded(encoding_for(model) or _FALLBACK) and _is_short(request):
        return count_chat(request, model)
    return await asyncio.to_thread(count_chat, request, model)


def _is_documented(model: str) -> bool:
    name = model.rpartition("/")[2].removeprefix("ft:")
    return name == "gpt-4" or name.startswith(_DOCUMENTED)


def _is_short(request: ChatRequest) -> bool:
    if request.tools or request.response_format is not None:
        return False
    left = INLINE_CHARACTERS
    for message in request.messages:
        for part in message.parts:
            left -= len(part.text) if isinstance(part, Text) else INLINE_CHARACTERS
            if left <= 0:
                return False
    return True


class _Counter:
    """Adds one request up."""

    def __init__(self, encoding: Encoding) -> None:
        self._count = encoding.count
        self.tokens = 0
        self.exact = True

    def message(self, message: Message) -> None:
        """Add a message with its frame."""
        self.tokens += _PER_MESSAGE + self._count(message.role)
        if message.name is not None:
            self.tokens += _PER_NAME + self._count(message.name)
        # How several parts are joined is not documented.
        self.exact = self.exact and len(message.parts) == 1 and message.role in ("system", "user", "assistant")
        for part in message.parts:
            self.part(part)

    def part(self, part: Part) -> None:
        """Add one part of a message."""
        if isinstance(part, Text):
            self.tokens += self._count(part.text)
            return
        self.exact = False
        match part:
            case Image():
                self.tokens += image_tokens(part)
            case Audio():
                self.tokens += audio_tokens(part)
            case File():
                self.tokens += self._count(part.text) if part.text is not None else file_tokens(part)
            case ToolCall():
                self.tokens += _PER_CALL + self._count(part.name) + self._count(part.arguments)
            case ToolResult():
                for inner in part.parts:
                    self.part(inner)
            case Reasoning() | Refusal():
                self.tokens += self._count(part.text)
            case _:
                assert_never(part)

    def tools(self, tools: tuple[Tool, ...]) -> None:
        """Add the tools, by the length of their JSON: how they are written for the model is not documented."""
        if not tools:
            return
        self.exact = False
        self.tokens += _ALL_TOOLS
        for tool in tools:
            self.tokens += _PER_TOOL + self._count(tool.name) + self._count(tool.description or "")
            self.tokens += self._count(msgspec.json.encode(tool.parameters).decode())

    def form(self, form: ResponseFormat | None) -> None:
        """Add the schema that the answer must follow."""
        if form is None or form.kind == "text":
            return
        self.exact = False
        if form.schema is not None:
            self.tokens += self._count(msgspec.json.encode(form.schema).decode())
