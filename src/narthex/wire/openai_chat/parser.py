"""A provider's stream, read into events."""

from __future__ import annotations

from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Event, Finished, Started, UsageReported
from narthex.types.usage import Usage
from narthex.wire.openai_chat.choices import ChoiceReader
from narthex.wire.openai_chat.chunks import (
    AnswerBody,
    ChoiceBody,
    finish_word,
    is_done,
    read_answer,
    read_failure,
    read_logprobs,
    read_stop_sequence,
    read_usage,
)
from narthex.wire.openai_chat.completion import Completion
from narthex.wire.sse import SseEvent, SseParser


class OpenAIChatParser:
    """Reads one streamed answer; see `StreamParser`.

    `Finished` and `UsageReported` are held back to the end, where the order of events puts them: usage may come in any
    chunk or in all, each time for the whole answer so far.
    """

    def __init__(self) -> None:
        """Start before the first byte."""
        self.skipped = 0
        self._sse = SseParser()
        self._completion = Completion()
        self._head = AnswerBody()
        self._started = False
        self._choices: dict[int, ChoiceReader] = {}
        self._finishes: dict[int, Finished] = {}
        self._usage: Usage | None = None
        self._over = False

    def feed(self, data: bytes) -> list[Event]:
        """Return the events completed by `data`.

        Raises:
            SseTooLarge: An event of the stream is larger than the limit.
        """
        events: list[Event] = []
        for event in self._sse.feed(data):
            if not self._over:
                self._take(event, events)
        return events

    def close(self) -> list[Event]:
        """Take note that the connection has ended; an event that lacks only its blank line counts.

        Raises:
            MalformedStream: Nothing in the stream was an event of this dialect.
            TruncatedStream: The answer has no end.
        """
        events = self.feed(b"\n\n") if self._sse.rest else []
        if not self._over:
            self._completion.check_end()
            self._end(events)
        return events

    def _take(self, event: SseEvent, events: list[Event]) -> None:
        data = event.data
        if not data:
            return
        if is_done(data):
            self._completion.note_done()
            if self._completion.finished:
                self._end(events)
            return
        chunk = read_answer(data)
        failed = read_failure(chunk, event)
        if failed is not None:
            self._over = True
            events.append(failed)
        elif chunk is None or (chunk.choices is None and read_usage(chunk) is None):
            self.skipped += 1
        else:
            self._read(chunk, events)

    def _read(self, chunk: AnswerBody, events: list[Event]) -> None:
        self._completion.note(chunk)
        self._usage = read_usage(chunk) or self._usage
        if not self._started:
            self._start(chunk, events)
        for choice in chunk.choices or ():
            self._read_choice(choice, events)

    def _start(self, chunk: AnswerBody, events: list[Event]) -> None:
        """Begin the answer with the first chunk that holds a choice; Azure sends a blank one before it."""
        head = self._head
        head.id = head.id or chunk.id
        head.model = head.model or chunk.model
        head.created = head.created or chunk.created
        if not chunk.choices:
            return
        self._started = True
        events.append(
            Started(
                id=str(head.id or ""),
                model=head.model or "",
                created_at=int(head.created) if isinstance(head.created, float) else 0,
                extra=started_extra(chunk),
                extra_dialect=Dialect.OPENAI_CHAT,
            )
        )

    def _read_choice(self, choice: ChoiceBody, events: list[Event]) -> None:
        index = choice.index or 0
        reader = self._choices.get(index)
        if reader is None:
            reader = self._choices[index] = ChoiceReader(index, str(self._head.id or ""))
        if choice.delta is not None:
            events += reader.read(choice.delta, read_logprobs(choice))
        word = finish_word(choice)
        if word is not None and index not in self._finishes:
            self._finishes[index] = reader.finish(word, read_stop_sequence(choice))

    def _end(self, events: list[Event]) -> None:
        self._over = True
        self.skipped += sum(reader.nameless_calls for reader in self._choices.values())
        events += (self._finishes[index] for index in sorted(self._finishes))
        if self._usage is not None:
            events.append(UsageReported(usage=self._usage))
        events.append(Ended())


def started_extra(chunk: AnswerBody) -> dict[str, object]:
    """Return what only this dialect says of a whole answer; the rest of a chunk is about the chunk."""
    extra: dict[str, object] = {}
    for name in ("system_fingerprint", "service_tier", "provider"):
        value = getattr(chunk, name)
        if value is not None:
            extra[name] = value
    return extra
