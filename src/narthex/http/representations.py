"""How answers go out: in which coding, and what is said about keeping them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from narthex.compression.contents import Coding, Encoder, encode, encoder
from narthex.compression.negotiation import choose, refuses_plain
from narthex.http.caching import Rule, Rules

ASIDE_BYTES: Final = 65_536
"""What is larger is encoded in a thread."""
_MOST_REMEMBERED: Final = 256
_TEXTUAL: Final = (
    "text/",
    "application/json",
    "application/javascript",
    "application/x-ndjson",
    "application/xml",
    "image/svg+xml",
)
_PLAIN_LINES: Final = b"vary: accept-encoding\r\n"


class Representations:
    """What the settings say about how answers go out; read wherever one does.

    Attributes:
        rules: What is said about keeping answers.
        threshold_bytes: What is smaller is sent as it is, unless its client refuses that.
        answers_bytes: As above for whole answers of models; infinite where these are never encoded.
        encodes_events: Whether streams of events are encoded as well.
    """

    def __init__(self) -> None:
        """Encode nothing."""
        self.adopt(codings=(), threshold_bytes=0, answers_bytes=None, rules=())

    def adopt(
        self,
        *,
        codings: Sequence[Coding],
        threshold_bytes: int,
        answers_bytes: int | None,
        rules: Iterable[Rule],
        encodes_events: bool = True,
    ) -> None:
        """Go by other settings from now on.

        Args:
            codings: That are offered, the preferred first.
            threshold_bytes: What is smaller is sent as it is.
            answers_bytes: As above for whole answers of models; None if these are sent as they are.
            rules: What is said about keeping answers.
            encodes_events: Whether streams of events are encoded as well.
        """
        self.encodes_events = encodes_events and bool(codings)
        self._codings = tuple(codings)
        # A stream holds its encoder for as long as it lasts: 30 KB of memory with gzip, several times that with others.
        self._for_events = tuple(sorted(self._codings, key=lambda coding: coding != "gzip"))
        self.threshold_bytes = threshold_bytes
        self.answers_bytes = float("inf") if answers_bytes is None or not codings else float(answers_bytes)
        self.rules = Rules(rules)
        self._chosen: dict[tuple[bytes, tuple[Coding, ...]], tuple[str | None, bool]] = {}

    def coding(self, field: bytes | None, size: float) -> str | None:
        """Return the coding for a body; None if it goes as it is.

        Args:
            field: `Accept-Encoding`.
            size: Of the body, in bytes; infinite if nobody knows.
        """
        if not field:
            return None
        name, must = self._choice(field, self._codings)
        return name if size >= self.threshold_bytes or must else None

    def _choice(self, field: bytes, codings: tuple[Coding, ...]) -> tuple[str | None, bool]:
        """Return which of several codings a field asks for, and whether its client takes nothing else."""
        chosen = self._chosen.get((field, codings))
        if chosen is None:
            said = field.decode("latin-1")
            chosen = choose(said, codings), refuses_plain(said)
            if len(self._chosen) < _MOST_REMEMBERED:
                self._chosen[field, codings] = chosen
        return chosen

    def concern(self, size: float, headers: Mapping[bytes, bytes]) -> bool:
        """Tell whether it has to be looked how a whole answer of a model goes out.

        That is one that is large enough, or one for a client that takes nothing that is sent as it is.
        """
        if size >= self.answers_bytes:
            return True
        field = headers.get(b"accept-encoding")
        return field is not None and self.coding(field, -1) is not None

    async def answer(self, body: bytes, headers: Mapping[bytes, bytes]) -> tuple[bytes, bytes]:
        """Return a whole answer of a model as it goes out, and header lines that tell how.

        Args:
            body: The answer.
            headers: Of the request, names in lower case.
        """
        field = headers.get(b"accept-encoding")
        coding = self.coding(field, float("inf")) if _is_transformable(headers) else None
        if coding is None:
            return body, _PLAIN_LINES
        return await encoded(body, coding, hasty=True), _lines(coding)

    def events(self, headers: Mapping[bytes, bytes]) -> tuple[Encoder | None, bytes]:
        """Return what encodes a stream of events, and header lines that tell of it; None if it goes as it is.

        Args:
            headers: Of the request, names in lower case.
        """
        coding = self.events_coding(headers)
        return (None, b"") if coding is None else (encoder(coding, hasty=True), _lines(coding))

    def events_coding(self, headers: Mapping[bytes, bytes]) -> str | None:
        """Return the coding for a stream of events; None if it goes as it is."""
        field = headers.get(b"accept-encoding")
        if not field or not self.encodes_events or not _is_transformable(headers):
            return None
        return self._choice(field, self._for_events)[0]


async def encoded(body: bytes, coding: str, *, hasty: bool = False) -> bytes:
    """Return a body in a coding; a large one is made so in a thread."""
    if len(body) <= ASIDE_BYTES:
        return encode(body, coding, hasty=hasty)
    return await asyncio.to_thread(encode, body, coding, hasty=hasty)


def _is_transformable(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether a request lets its answer be encoded."""
    return b"no-transform" not in headers.get(b"cache-control", b"")


def _lines(coding: str) -> bytes:
    return b"content-encoding: %b\r\n%b" % (coding.encode(), _PLAIN_LINES)


def is_textual(media_type: str) -> bool:
    """Tell whether data of a type gets smaller, and is no stream of events, which must not wait."""
    return media_type.startswith(_TEXTUAL) and not media_type.startswith("text/event-stream")
