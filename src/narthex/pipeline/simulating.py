"""Streams made of whole answers, where a provider or a model cannot stream: the same events, marked at their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import msgspec

from narthex.types.answers import ChatAnswer
from narthex.types.events import Event, Finished, ReasoningDelta, RefusalDelta, Started, TextDelta, ToolCallDelta
from narthex.types.folding import unfold
from narthex.types.pieces import in_pieces
from narthex.types.usage import Usage

SIMULATED: Final = "simulated"

CHARACTERS_PER_TOKEN: Final = 4
"""What a token is taken for, where a pace is set."""
BREATH_PIECES: Final = 64
"""Pieces after which other tasks get a turn."""


class Simulation:
    """Tells whole answers as streams.

    Attributes:
        tokens_per_s: How fast; None for at once.
    """

    def __init__(
        self, tokens_per_s: float | None = None, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self.tokens_per_s = tokens_per_s
        self._sleep = sleep

    async def events(self, answer: ChatAnswer) -> AsyncIterator[Event]:
        """Yield the events of a stream that says what `answer` does, its end marked."""
        tokens_per_s = self.tokens_per_s
        events = (_marked(event, answer.usage) for event in unfold(answer))
        for number, event in enumerate(in_pieces(events), start=1):
            yield event
            if tokens_per_s is not None:
                await self._sleep(_characters(event) / CHARACTERS_PER_TOKEN / tokens_per_s)
            elif not number % BREATH_PIECES:
                await self._sleep(0)


def _marked(event: Event, usage: Usage | None) -> Event:
    if isinstance(event, Finished):
        return msgspec.structs.replace(event, told={"stream": SIMULATED})
    if isinstance(event, Started) and usage is not None:
        # Some dialects tell at the beginning what was read.
        of_input = msgspec.structs.replace(usage, output_tokens=0, reasoning_tokens=0)
        return msgspec.structs.replace(event, input_usage=of_input)
    return event


def _characters(event: Event) -> int:
    match event:
        case TextDelta() | RefusalDelta() | ReasoningDelta():
            return len(event.text)
        case ToolCallDelta():
            return len(event.arguments)
        case _:
            return 0
