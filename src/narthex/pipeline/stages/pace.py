"""Find out how fast an answer is to be delivered, and in what pieces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from narthex.config.stream_settings import (
    MAX_BYTES_PER_S,
    MAX_CHUNK_BYTES,
    MAX_FLUSH_MS,
    MAX_TOKENS_PER_S,
    StreamSettings,
)
from narthex.errors import InvalidRequest
from narthex.pipeline.exchange import Exchange
from narthex.streams.throttle import Pace
from narthex.tenancy.keys import Caller, Ceiling

FLUSH_MS: Final = 1_000
"""How long events are gathered at most where only a size was named."""

_TOKENS: Final = b"x-narthex-max-tokens-per-second"
_BYTES: Final = b"x-narthex-max-bytes-per-second"
_CHUNK: Final = b"x-narthex-min-chunk-bytes"
_FLUSH: Final = b"x-narthex-flush-ms"

_WHOLE: Final = re.compile(rb"[0-9]{1,12}")
_DECIMAL: Final = re.compile(rb"[0-9]{1,12}(?:\.[0-9]{1,12})?")


class SetPace:
    """Read the pace of a streamed answer from the request, the key and the settings; most have none."""

    def __init__(self, settings: StreamSettings | None = None) -> None:
        self.adopt(StreamSettings() if settings is None else settings)

    def adopt(self, settings: StreamSettings) -> None:
        """Go by other settings from now on."""
        self._settings = settings
        self._is_general = any(
            limit is not None
            for limit in (
                settings.max_tokens_per_s,
                settings.max_bytes_per_s,
                settings.min_chunk_bytes,
                settings.flush_ms,
            )
        )

    def __call__(self, exchange: Exchange) -> None:
        """Set `pace` of a streamed exchange.

        Raises:
            InvalidRequest: A header holds something else than a number that it may.
        """
        if exchange.streaming:
            exchange.pace = self.pace_of(exchange.headers, exchange.caller)

    def pace_of(self, headers: Mapping[bytes, bytes], caller: Caller | None) -> Pace | None:
        """Return how fast a stream is delivered to this caller; None for as it comes.

        Raises:
            InvalidRequest: A header holds something else than a number that it may.
        """
        ceiling = None if caller is None else caller.stream_ceiling
        # Looked up one by one: this is what every stream pays, and going through its headers costs more.
        if (
            self._is_general
            or ceiling is not None
            or _TOKENS in headers
            or _BYTES in headers
            or _CHUNK in headers
            or _FLUSH in headers
        ):
            return self._pace(headers, ceiling or Ceiling())
        return None

    def _pace(self, headers: Mapping[bytes, bytes], ceiling: Ceiling) -> Pace:
        settings = self._settings
        tokens_per_s = _read(headers, _TOKENS, most=MAX_TOKENS_PER_S, decimal=True) or settings.max_tokens_per_s
        bytes_per_s = _read(headers, _BYTES, most=MAX_BYTES_PER_S) or settings.max_bytes_per_s
        chunk_bytes = _read(headers, _CHUNK, most=MAX_CHUNK_BYTES) or settings.min_chunk_bytes
        flush_ms = _read(headers, _FLUSH, most=MAX_FLUSH_MS) or settings.flush_ms
        if flush_ms is None and chunk_bytes is not None:
            flush_ms = FLUSH_MS
        return Pace(
            tokens_per_s=_lower(tokens_per_s, ceiling.tokens_per_s),
            bytes_per_s=_lower(bytes_per_s, ceiling.bytes_per_s),
            min_chunk_bytes=None if chunk_bytes is None else int(chunk_bytes),
            flush_s=None if flush_ms is None else flush_ms / 1000,
        )


def _lower(asked: float | None, ceiling: float | None) -> float | None:
    if asked is None or ceiling is None:
        return asked if ceiling is None else ceiling
    return min(asked, ceiling)


def _read(headers: Mapping[bytes, bytes], header: bytes, *, most: float, decimal: bool = False) -> float | None:
    value = headers.get(header)
    if value is None:
        return None
    number = float(value) if (_DECIMAL if decimal else _WHOLE).fullmatch(value) else 0.0
    if not 0 < number <= most:
        name, kind = header.decode(), "number" if decimal else "whole number"
        raise InvalidRequest(
            f"header {name}: {value[:50].decode('latin-1')!r} is not a {kind} above 0, at most {most:.0f}; "
            "send one, or leave the header out",
            param=name,
        )
    return number
