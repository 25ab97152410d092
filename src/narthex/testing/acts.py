"""What an upstream does on a socket, act by act, and the answers made of it.

An answer is a tuple of acts. Every misbehaviour is an answer too: cut, split, slow, silent or nonsense.

    upstream.play(cut(whole(b'{"id": 1}'), after_bytes=60))
    upstream.play(streamed(openai_frames("Hello")[:-1]))       # no closing mark
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes, in one piece."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Let so many seconds pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hold:
    """Do nothing until this is so, or the client has left: a test lets the rest come when it is ready for it."""

    until: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Stall:
    """Do nothing any more, until the client leaves."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection in good order."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Break the connection off: the client sees a reset."""


@dataclass(frozen=True, slots=True)
class EndSending:
    """Close the sending side only, and read on."""


Act = Send | Wait | Hold | Stall | Close | Reset | EndSending

Answer = tuple[Act, ...]
"""Everything that is done about one request, in order."""

JSON = "application/json"
EVENT_STREAM = "text/event-stream"


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """Write a status line and headers."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {phrase}\r\n{lines}\r\n".encode("latin-1")


def whole(
    body: bytes, *, status: int = 200, content_type: str = JSON, headers: Mapping[str, str] | None = None
) -> Answer:
    """Answer with a body of known length."""
    fields = {"content-type": content_type, "content-length": str(len(body)), **(headers or {})}
    return (Send(head(status, fields) + body),)


def streamed(
    pieces: Iterable[bytes],
    *,
    status: int = 200,
    content_type: str = EVENT_STREAM,
    headers: Mapping[str, str] | None = None,
    delay_s: float = 0.0,
    ended: bool = True,
) -> Answer:
    """Answer in chunks, one for each piece.

    Args:
        pieces: The body.
        status: HTTP status.
        content_type: Of the body.
        headers: Beside the content type.
        delay_s: Pause before each piece, in seconds.
        ended: Whether the last chunk comes, which says that the body is whole.
    """
    acts: list[Act] = [
        Send(head(status, {"content-type": content_type, "transfer-encoding": "chunked", **(headers or {})}))
    ]
    for piece in pieces:
        if delay_s:
            acts.append(Wait(delay_s))
        acts.append(Send(chunk(piece)))
    return (*acts, Send(b"0\r\n\r\n")) if ended else tuple(acts)


def chunk(data: bytes) -> bytes:
    """Write one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def silent() -> Answer:
    """Never answer."""
    return (Stall(),)


def hung_up() -> Answer:
    """Close the connection before any header."""
    return (Close(),)


def delayed(answer: Answer, seconds: float) -> Answer:
    """Wait before anything is sent."""
    return (Wait(seconds), *answer)


def then(answer: Answer, *acts: Act) -> Answer:
    """Do more after the answer: `then(whole(body), Close())` closes a connection that was to be kept."""
    return (*answer, *acts)


def cut(answer: Answer, *, after_bytes: int, by: Act | None = None) -> Answer:
    """Send only the first bytes of an answer, head included, then close, or do what `by` says."""
    kept: list[Act] = []
    left = after_bytes
    for act in answer:
        if not isinstance(act, Send):
            kept.append(act)
            continue
        kept.append(Send(act.data[:left]))
        left -= len(act.data)
        if left <= 0:
            break
    return (*kept, by or Close())


def cut_after(answer: Answer, *, sends: int, by: Act | None = None) -> Answer:
    """Do the first pieces of an answer only, the head being the first, then close, or do what `by` says."""
    kept: list[Act] = []
    left = sends
    for act in answer:
        if left == 0:
            break
        kept.append(act)
        left -= isinstance(act, Send)
    return (*kept, by or Close())


def split(answer: Answer, *, bytes_each: int = 1, delay_s: float = 0.0) -> Answer:
    """Send the same bytes in small pieces, cut inside characters, lines and chunks."""
    acts: list[Act] = []
    for act in answer:
        if not isinstance(act, Send):
            acts.append(act)
            continue
        for start in range(0, len(act.data), bytes_each):
            acts.append(Send(act.data[start : start + bytes_each]))
            acts.append(Wait(delay_s))
    return tuple(acts)


def slow_headers(answer: Answer, *, seconds: float, pieces: int = 10) -> Answer:
    """Spread the head of an answer over some seconds."""
    first = answer[0]
    if not isinstance(first, Send):
        return answer
    end = first.data.find(b"\r\n\r\n") + 4
    size = max(1, -(-end // pieces))
    acts: list[Act] = []
    for start in range(0, end, size):
        acts += [Wait(seconds / pieces), Send(first.data[start : min(end, start + size)])]
    return (*acts, Send(first.data[end:]), *answer[1:])
