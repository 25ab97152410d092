"""The limits of time that a call may meet: their names, where they are set, and what is said when one is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from narthex.errors import Failure, ProviderTimeout


class Phase(StrEnum):
    """What a call was waiting for when its time was over."""

    CONNECT = "connect"
    HEADERS = "headers"
    """The head of a streamed answer."""
    FIRST_TOKEN = "first_token"  # noqa: S105 - a word, not a secret
    """The first content of a stream."""
    ANSWER = "answer"
    """A whole answer."""
    IDLE = "idle"
    """Anything at all, in the middle of a stream."""
    CONTENT = "content"
    """More content, in the middle of a stream that shows signs of life."""
    CLOSING = "closing"
    """The end of a response whose answer has ended."""
    TOTAL = "total"
    """The end of the whole call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One kind of deadline."""

    failure: Failure
    missed: str
    """What the provider did not do in time."""
    setting: str | None
    """Its name among the settings under `timeouts`."""

    @property
    def header(self) -> str | None:
        """The request header that sets it for one call."""
        return None if self.setting is None else HEADERS[self.setting]


HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "connect_s": "x-narthex-timeout-connect",
        "headers_s": "x-narthex-timeout-headers",
        "first_token_s": "x-narthex-timeout-first-token",
        "idle_s": "x-narthex-timeout-idle",
        "total_s": "x-narthex-timeout",
    }
)
"""The request header that sets each limit for one call, by the name of the setting."""

LIMITS: Final[Mapping[Phase, Limit]] = MappingProxyType(
    {
        Phase.CONNECT: Limit(failure=Failure.CONNECT_TIMEOUT, missed="there was no connection", setting="connect_s"),
        Phase.HEADERS: Limit(
            failure=Failure.FIRST_TOKEN_TIMEOUT, missed="the answer did not begin", setting="headers_s"
        ),
        Phase.FIRST_TOKEN: Limit(
            failure=Failure.FIRST_TOKEN_TIMEOUT, missed="no first token came", setting="first_token_s"
        ),
        Phase.ANSWER: Limit(
            failure=Failure.FIRST_TOKEN_TIMEOUT, missed="the whole answer did not come", setting="first_token_s"
        ),
        Phase.IDLE: Limit(failure=Failure.STALL, missed="the stream went on with nothing", setting="idle_s"),
        Phase.CONTENT: Limit(
            failure=Failure.STALL, missed="the stream went on with signs of life only", setting="first_token_s"
        ),
        Phase.CLOSING: Limit(failure=Failure.STALL, missed="the response did not end after its answer", setting=None),
        Phase.TOTAL: Limit(failure=Failure.DEADLINE, missed="the call was not over", setting="total_s"),
    }
)
"""What each phase means to the caller."""


def expired(provider: str, phase: Phase, limit_s: float) -> ProviderTimeout:
    """Return the error of a call that met one of its limits.

    Args:
        provider: Its name in the configuration.
        phase: What was waited for.
        limit_s: How long that was allowed to take, in seconds.
    """
    limit = LIMITS[phase]
    message = f"{provider}: {limit.missed} within {limit_s:.6g} s"
    if phase is Phase.TOTAL:
        # An attempt after others has what they left it, which is no figure of the configuration.
        message += ", all the time this attempt had"
    if limit.setting is not None:
        message += f"; to wait longer raise `timeouts.{limit.setting}` or send the header `{limit.header}`"
    return ProviderTimeout(message, provider=provider, failure=limit.failure, retryable=True)
