"""Events as bytes in OpenAI's dialect: frames as they come, or one body at the end."""

from __future__ import annotations

from typing import Protocol

from narthex.types.events import Ended, Event
from narthex.types.folding import Folding
from narthex.types.requests import ChatRequest
from narthex.wire.openai_chat import OPENAI_CHAT


class Writer(Protocol):
    """Writes one answer."""

    def write(self, event: Event) -> bytes:
        """Return the bytes that `event` adds; maybe none."""
        ...


class FrameWriter:
    """Writes server-sent events."""

    def __init__(self, request: ChatRequest) -> None:
        self._encoder = OPENAI_CHAT.encoder(request)

    def write(self, event: Event) -> bytes:
        """Return the frames of `event`."""
        return self._encoder.encode(event)


class BodyWriter:
    """Writes one JSON body, when the answer ends."""

    def __init__(self) -> None:
        self._folding = Folding()

    def write(self, event: Event) -> bytes:
        """Return nothing before the end."""
        self._folding.add(event)
        return OPENAI_CHAT.encode_answer(self._folding.answer()) if isinstance(event, Ended) else b""


def writer_for(request: ChatRequest) -> Writer:
    """Return what the caller asked for."""
    return FrameWriter(request) if request.stream else BodyWriter()
