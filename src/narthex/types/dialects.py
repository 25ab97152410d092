"""The wires spoken outside, and the operations they carry."""

from __future__ import annotations

from enum import StrEnum


class Dialect(StrEnum):
    """A wire format: the shape of requests, answers, streams and errors."""

    OPENAI_CHAT = "openai.chat"
    OPENAI_EMBEDDINGS = "openai.embeddings"
    OPENAI_RESPONSES = "openai.responses"
    ANTHROPIC_MESSAGES = "anthropic.messages"
    ANTHROPIC_COUNT_TOKENS = "anthropic.count_tokens"
    NATIVE = "native"

    # Enum hashes in Python, and these are looked up several times in every request.
    __hash__ = str.__hash__


class Operation(StrEnum):
    """What is asked of a model, whatever the dialect."""

    CHAT = "chat"
    EMBED = "embed"
    COUNT_TOKENS = "count_tokens"

    __hash__ = str.__hash__
