"""When a streamed answer is whole: one rule, for streams that are translated and for those that pass through.

Every choice that said anything has a finish reason, and then the provider says `[DONE]` or ends the response. A
`[DONE]` without finish reasons is the end of a cut answer: some servers write it whatever happened.
"""

from __future__ import annotations

from narthex.wire.contract import MalformedStream, TruncatedStream
from narthex.wire.openai_chat.chunks import AnswerBody, finish_word


class Completion:
    """Watches which choices have begun and ended."""

    __slots__ = ("_finished", "_started", "any_chunk", "done")

    def __init__(self) -> None:
        """Start before the first chunk."""
        self._started: set[int] = set()
        self._finished: set[int] = set()
        self.any_chunk = False
        """Whether anything in the stream was of this dialect."""
        self.done = False
        """Whether `[DONE]` has come."""

    @property
    def started(self) -> set[int]:
        """The choices that have begun."""
        return self._started

    @property
    def finished(self) -> bool:
        """Whether every choice that began has ended."""
        return bool(self._finished) and self._finished == self._started

    def note(self, chunk: AnswerBody) -> None:
        """Take a chunk in."""
        self.any_chunk = True
        for choice in chunk.choices or ():
            index = choice.index or 0
            self._started.add(index)
            if finish_word(choice) is not None:
                self._finished.add(index)

    def note_done(self) -> None:
        """Take `[DONE]` in."""
        self.any_chunk = True
        self.done = True

    def check_end(self) -> None:
        """Check that the connection may end here.

        Raises:
            MalformedStream: Nothing in the stream was of this dialect.
            TruncatedStream: A choice has no end, or there was none.
        """
        if not self.any_chunk:
            raise MalformedStream("no event of an OpenAI chat completion in the stream")
        if not self.finished:
            missing = sorted(self._started - self._finished)
            raise TruncatedStream(f"no finish reason for choice {missing[0]}" if missing else "no choice in the stream")
