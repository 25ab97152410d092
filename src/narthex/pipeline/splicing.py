"""A cut answer and its continuation, made one: pure, without I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from narthex.types.events import (
    Event,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest
from narthex.types.usage import Usage

MAX_OVERLAP: Final = 400
"""Characters of what was said last that a continuation may say again."""
MIN_OVERLAP: Final = 6
"""A shorter repetition is taken for chance: many words begin as others end."""

_NEVER: Final = MAX_OVERLAP + 1

Way = Literal["restart", "prefill", "told"]
"""How a model is brought to give the rest of an answer."""

_GO_ON: Final = (
    "Your last message was cut off by the network. Go on exactly where it stops, in the middle of the sentence or word "
    "if need be. Repeat nothing of it, and say nothing about the interruption."
)


class Transcript:
    """What a caller has received of an answer so far."""

    def __init__(self, events: Iterable[Event]) -> None:
        """Take in what was delivered, in order."""
        self.text = ""
        self.started: Started | None = None
        self.reasoned = False
        self._other = False
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """Take in one more event."""
        match event:
            case Started():
                self.started = event
            case TextDelta():
                self.text += event.text
                self._other = self._other or event.choice != 0 or event.logprobs is not None
            case ReasoningDelta():
                self.reasoned = True
            case ToolCallStarted() | ToolCallDelta() | RefusalDelta() | Finished():
                self._other = True
            case _:
                pass

    @property
    def can_be_continued(self) -> bool:
        """Whether all of it is text of one choice: a tool call that was delivered cannot be taken back or joined."""
        return not self._other


def continuing(request: ChatRequest, said: str, *, prefill: bool) -> ChatRequest:
    """Return the request that asks a model to go on where an answer was cut.

    Args:
        request: The caller's.
        said: What was delivered of the answer.
        prefill: Whether the model goes on by itself where the last message is its own and not complete.
    """
    if not said.strip():
        return request
    partial = Message(role="assistant", parts=(Text(text=said.rstrip() if prefill else said),))
    messages = (*request.messages, partial)
    if not prefill:
        messages = (*messages, Message(role="user", parts=(Text(text=_GO_ON),)))
    left = request.max_output_tokens
    if left is not None:
        # A token is about four characters; at least a few are left, so that the model can end its sentence.
        left = max(16, left - len(said) // 4)
    return msgspec.structs.replace(request, messages=messages, max_output_tokens=left)


class Seam:
    """Joins a continuation to what was said: what it repeats is left out.

    A continuation may start afresh (the whole answer again, as a model with a fixed seed does), repeat the last words,
    or go on at once. Its first characters are held back until it is plain which of these it is.
    """

    def __init__(self, said: str, way: Way) -> None:
        """Begin to join.

        Args:
            said: What was delivered.
            way: How the model was asked. After a restart only an answer that begins with all of `said` fits; one that
                was told to go on may repeat its last words; one with a prefill does not, but for white space.
        """
        self._said = said
        self._restarted = way == "restart"
        self._least = _NEVER if way == "prefill" else MIN_OVERLAP
        self._held = ""
        self._joined = not said

    def feed(self, text: str) -> str:
        """Return what of this may be delivered; possibly nothing yet.

        Raises:
            SeamMismatch: A restarted answer says something else than what was delivered.
        """
        if self._joined:
            return text
        self._held += text
        if self._is_open():
            return ""
        return self._join()

    def close(self) -> str:
        """Return what was still held back, as the continuation has ended."""
        return "" if self._joined else self._join()

    def _is_open(self) -> bool:
        """Tell whether what is held may still turn out to be a repetition."""
        held, said = self._held, self._said
        if len(held) < len(said) and said.startswith(held):
            return True
        return not self._restarted and len(held) < MAX_OVERLAP and _may_overlap(said, held)

    def _join(self) -> str:
        self._joined = True
        held, said = self._held, self._said
        if held.startswith(said):
            return held[len(said) :]
        if self._restarted:
            raise SeamMismatch
        return held[_overlap(said, held, self._least) :]


class SeamMismatch(Exception):
    """The new answer does not begin with what was delivered of the old one."""


def _may_overlap(said: str, held: str) -> bool:
    """Tell whether all of `held` stands somewhere near the end of `said`, so that more of it could still repeat."""
    return held in said[-MAX_OVERLAP:]


def _overlap(said: str, held: str, least: int) -> int:
    """Return how many characters at the start of `held` repeat the end of `said`."""
    for size in range(min(len(said), len(held), MAX_OVERLAP), 0, -1):
        if said.endswith(held[:size]) and (size >= least or held[:size].isspace()):
            return size
    return 0


def joined_usage(before: Usage | None, delivered: int, after: Usage | None) -> UsageReported:
    """Return the usage of an answer made of two attempts, marked as an estimate.

    Args:
        before: What the first attempt's provider told, if it did.
        delivered: Tokens of the first attempt that were delivered, as counted here.
        after: What the second attempt's provider told.
    """
    second = after or Usage()
    return UsageReported(
        usage=Usage(
            input_tokens=before.input_tokens if before is not None else second.input_tokens,
            output_tokens=delivered + second.output_tokens,
            cache_read_tokens=second.cache_read_tokens,
            cache_write_tokens=second.cache_write_tokens,
            cache_write_1h_tokens=second.cache_write_1h_tokens,
            reasoning_tokens=second.reasoning_tokens,
            estimated=True,
        )
    )
