"""Answers that never end, though something is still sent: heads without a body, signs of life, single bytes."""

from __future__ import annotations

from itertools import chain, islice, repeat
from typing import Final

from narthex.testing.acts import Act, Answer, Send, Stall, Wait, chunk
from narthex.testing.scenarios import Pings, Trickle
from narthex.testing.wall.asking import Asked
from narthex.testing.wall.layouts import Layout
from narthex.testing.wires import anthropic_frame, as_json

MAX_SIGNS: Final = 10_000
"""How often a sign of life is sent at most; then nothing."""


def headers_only(layout: Layout) -> Answer:
    """Send the status and the headers, and then nothing."""
    return (layout.head[0], Stall())


def pings(layout: Layout, asked: Asked, scenario: Pings) -> Answer:
    """Send signs of life in place of what was to follow."""
    sign = Send(layout.framed(_sign(layout, asked, scenario)))
    signs: list[Act] = [Wait(scenario.seconds), sign]
    return (*layout.begun(scenario.after_chunks), *islice(chain.from_iterable(repeat(signs)), 2 * MAX_SIGNS), Stall())


def _sign(layout: Layout, asked: Asked, scenario: Pings) -> bytes:
    if not layout.is_streamed:
        # Blank space before a body is nothing to JSON.
        return b"\n"
    if asked.wire == "anthropic":
        if scenario.how == "ping":
            return anthropic_frame("ping")
        return anthropic_frame("content_block_delta", index=0, delta={"type": "text_delta", "text": ""})
    if scenario.how == "ping":
        return b": keep-alive\n\n"
    choices = [{"index": 0, "delta": {}, "finish_reason": None}]
    return b"data: %b\n\n" % as_json({"object": "chat.completion.chunk", "choices": choices})


def trickle(layout: Layout, scenario: Trickle) -> Answer:
    """Send what follows byte by byte."""
    left = b"".join(layout.pieces[layout.place(scenario.after_chunks) :])
    acts: list[Act] = []
    for start in range(min(len(left), MAX_SIGNS)):
        data = left[start : start + 1]
        acts += [Wait(scenario.seconds), Send(chunk(data) if layout.is_streamed else data)]
    return (*layout.begun(scenario.after_chunks), *acts, Stall())
