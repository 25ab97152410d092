"""What both controllers of kept streams stand on, without I/O: how one is begun, and what is known of one."""

from __future__ import annotations

import re
from typing import Final, Generic, Protocol, TypeVar, Unpack
from uuid import uuid4

from narthex.client import calls
from narthex.client.following import Following
from narthex.client.http1 import Head, HttpRequest
from narthex.client.readers import ChatReader
from narthex.client.reports import OnDisconnect, StreamReport
from narthex.client.values import ChatOptions, Messages
from narthex.errors import BrokenAnswer, InvalidRequest
from narthex.types.dialects import Dialect

_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")


class Begun(Protocol):
    """An answer of which the head is there."""

    @property
    def head(self) -> Head:
        """Status and headers."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


B = TypeVar("B", bound=Begun)


class KeptAnswer(Generic[B]):
    """One streamed answer that the gateway keeps, and the connection that it is read from at the moment."""

    def __init__(self, following: Following, dialect: Dialect | None) -> None:
        """Begin without a connection.

        Args:
            following: Where its reading stands.
            dialect: What it speaks; None if that is to be asked.
        """
        self._following = following
        self._dialect = dialect
        self._answer: B | None = None
        self._head = Head(200)

    @property
    def id(self) -> str:
        """The stream's ID."""
        return self._following.id

    @property
    def last_seq(self) -> int:
        """Number of the last event read."""
        return self._following.last

    def close(self) -> None:
        """Read no further; the call goes on or ends, as was chosen when it was begun."""
        self._following.leave()
        self._drop()

    def _take(self, answer: B) -> None:
        """Read from this answer from now on.

        Raises:
            BrokenAnswer: It is no stream of events.
        """
        try:
            self._following.opened(answer.head)
        except BaseException:
            answer.close()
            raise
        self._answer, self._head = answer, answer.head

    def _drop(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.close()

    def _reader(self, report: StreamReport | None) -> ChatReader:
        """Return what reads its events; the report tells what they speak, where that was not known."""
        if report is not None:
            self._dialect = dialect_of(report)
        assert self._dialect is not None
        return ChatReader(self._head, self._dialect)


def kept_chat(
    messages: Messages,
    *,
    model: str | None,
    name: str | None,
    on_disconnect: OnDisconnect,
    **options: Unpack[ChatOptions],
) -> tuple[HttpRequest, str]:
    """Ask for an answer that is kept; return the request and the ID of its stream.

    Raises:
        InvalidRequest: The name can be none of a stream.
    """
    stream = uuid4().hex if name is None else name
    if not _ID.fullmatch(stream):
        raise InvalidRequest(f"name: choose 8 to 64 letters, digits, `_` or `-`, not {name!r}", param="name")
    request = calls.chat_request(messages, model=model, stream=True, **options)
    headers = {"x-narthex-stream-id": stream, "x-narthex-on-disconnect": on_disconnect}
    return HttpRequest(method=request.method, path=request.path, body=request.body, headers=headers), stream


def dialect_of(report: StreamReport) -> Dialect:
    """Return what a stream speaks.

    Raises:
        BrokenAnswer: Nothing that is known here.
    """
    try:
        return Dialect(report.dialect)
    except ValueError as error:
        raise BrokenAnswer(f"the stream speaks {report.dialect!r}: read its `frames()`") from error
