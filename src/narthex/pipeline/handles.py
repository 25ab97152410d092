"""What an owner can do with a stream, whichever process writes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, Literal, Protocol

from narthex.errors import (
    ClientError,
    ConfigError,
    InternalError,
    NarthexError,
    PausedTooLong,
    ProviderError,
    StreamNotKept,
)
from narthex.pipeline.owned import Owned, StreamReport, Told
from narthex.streams.log import Log

Word = Literal["report", "pause", "resume", "cancel"]
"""What is asked of the process that writes a stream."""
Question = Literal["timeline", "record"]
"""What only that process knows, or can do: how it went, in so many spans of time; and to write it into a recording."""
Answer = Callable[[Owned, int], Awaitable[bytes]]
"""Answers a question about a stream of this process, in JSON."""


class Handle(Protocol):
    """A stream under its owner's hand."""

    @property
    def id(self) -> str:
        """Its ID."""
        ...

    @property
    def digest(self) -> bytes:
        """Tells the request that it answers from others."""
        ...

    @property
    def made_by(self) -> str:
        """The key, or the user, that asked for it; empty where that is not known yet."""
        ...

    async def read(self, after: int) -> Log:
        """Return its log, of which the events behind this one can be read.

        Raises:
            StreamNotKept: Its events are not kept.
            CursorAhead: There is no such event yet.
            EventsForgotten: The next event is no longer held.
            StreamUnreachable: It is another process's, and cannot be read just now.
        """
        ...

    async def tell(self, word: Word) -> StreamReport:
        """Do something with it, and return how it stands then.

        Raises:
            StreamEnded: There is nothing left to control.
            StreamNotKept: Its answer has not begun, and it is not kept.
            StreamUnreachable: It is another process's, which cannot be asked just now.
            NodeSilent: It is another process's, which did not answer in time.
        """
        ...

    async def ask(self, question: Question, number: int = 0) -> bytes:
        """Have a question answered, in JSON.

        Raises:
            StreamNotKept: Its events are not kept; or the process that wrote it is no more, and nobody else knows.
            PermissionDenied: Nothing is recorded there.
            StreamUnreachable: It is another process's, which cannot be asked just now.
            NodeSilent: It is another process's, which did not answer in time.
        """
        ...


def obey(owned: Owned, word: Word, *, pause_limit_s: float) -> StreamReport:
    """Do with a stream of this process what its owner wants, and return how it stands then.

    Raises:
        StreamEnded: There is nothing left to control.
        StreamNotKept: Its answer has not begun.
    """
    match word:
        case "pause":
            owned.pause(pause_limit_s, PausedTooLong())
        case "resume":
            owned.resume()
        case "cancel":
            owned.cancel()
        case "report":
            pass
    return owned.report()


class OwnHandle:
    """A stream that this process writes."""

    def __init__(
        self,
        owned: Owned,
        *,
        pause_limit_s: float,
        told: Callable[[Owned], None],
        answers: Mapping[Question, Answer] = MappingProxyType({}),
    ) -> None:
        """Take a stream.

        Args:
            owned: The stream.
            pause_limit_s: How long it may be paused.
            told: Called when it stands otherwise.
            answers: What answers questions about it.
        """
        self.owned = owned
        self._answers = answers
        self._pause_limit_s = pause_limit_s
        self._told = told

    @property
    def id(self) -> str:
        """See `Handle`."""
        return self.owned.id

    @property
    def digest(self) -> bytes:
        """See `Handle`."""
        return self.owned.digest

    @property
    def made_by(self) -> str:
        """See `Handle`."""
        return self.owned.made_by

    async def read(self, after: int) -> Log:
        """See `Handle`."""
        log = self.owned.log
        if log is None:
            raise StreamNotKept
        log.check(after)
        return log

    async def tell(self, word: Word) -> StreamReport:
        """See `Handle`."""
        report = obey(self.owned, word, pause_limit_s=self._pause_limit_s)
        if word != "report":
            self._told(self.owned)
        return report

    async def ask(self, question: Question, number: int = 0) -> bytes:
        """See `Handle`."""
        return await self._answers[question](self.owned, number)


def _codes(root: type[NarthexError]) -> Iterator[tuple[str, type[NarthexError]]]:
    for kind in root.__subclasses__():
        if not issubclass(kind, ClientError | ConfigError):
            yield from _codes(kind)
            yield kind.code, kind


_KINDS: Final = dict(_codes(NarthexError))


def error_of(told: Told) -> NarthexError:
    """Return the error that another process told of."""
    kind = _KINDS.get(told.code, InternalError)
    if issubclass(kind, ProviderError):
        return kind(told.message, provider="")
    return kind(told.message)


class Elsewhere(Protocol):
    """The streams of other processes, and ours for them."""

    node: str
    """Name of this process among all."""

    async def claim(self, owner: str, id: str, *, digest: bytes, dialect: str, request: str) -> None:  # noqa: A002 - its name
        """Take an ID, as far as the others can be asked.

        Raises:
            StreamExists: It stands for another stream of the same owner.
        """
        ...

    def opened(self, owned: Owned) -> None:
        """Let others have a stream of ours from now on."""
        ...

    def touched(self, owned: Owned) -> None:
        """Tell others at once how it stands."""
        ...

    def forgotten(self, owner: str, id: str) -> None:  # noqa: A002 - its name
        """Let them have it no longer."""
        ...

    async def find(self, owner: str, id: str) -> Handle:  # noqa: A002 - its name
        """Return a stream of another process.

        Raises:
            StreamNotFound: There is none, or it is another owner's.
            StreamExpired: It was kept, and is no more.
            StreamUnreachable: Nobody can say.
        """
        ...

    async def forget(self, owner: str, id: str) -> None:  # noqa: A002 - its name
        """Have a stream of another process held no longer.

        Raises:
            StreamNotFound: There is none, or it is another owner's.
            StreamExpired: It was kept, and is no more.
            StreamRunning: It has not ended.
            StreamUnreachable: It cannot be reached just now.
            NodeSilent: Its process did not answer in time.
        """
        ...

    async def is_dead(self, node: str) -> bool:
        """Tell whether it is known of a process that it is no more.

        Raises:
            StreamUnreachable: Nobody can say.
        """
        ...

    async def reports(self, owner: str) -> list[StreamReport]:
        """Return how the streams of an owner stood when that was last told, as far as they can be found."""
        ...
