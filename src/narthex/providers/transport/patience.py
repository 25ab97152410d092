"""How long one exchange may still take.

Nothing here is armed: the pool's sweep asks, ten times a second, of the exchanges that last so long. What the data path
has to do for it is to remember when the last piece came.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from narthex.providers.contract import Timeouts, Told
from narthex.providers.expiry import Phase

CLOSING_S: Final = 1.0
"""How long a response may take to end after the answer in it has ended."""
LOOKS: Final = 8
"""How often, within the longest time without content, content is looked for: so much later may its lack be noticed."""


class Progress(NamedTuple):
    """How far a response has come."""

    has_head: bool
    heard_at: float
    """When the last piece of a streamed body came, or reading was resumed."""
    told: Told | None
    """Tells whether content came since it was asked last; without it every piece is content."""
    closing_since: float = 0.0
    """When the answer ended, so that only the end of the response is waited for; 0 before."""
    is_unread: bool = False
    """Whether pieces lie here that nobody has read yet, so that nobody can tell whether they are content."""


class Patience:
    """The limits of one exchange, held against the clock."""

    __slots__ = ("_begun", "_has_content", "_is_streaming", "_limits", "_look_at", "_told_at")

    def __init__(self, limits: Timeouts, begun: float, *, is_streaming: bool) -> None:
        """Begin with the request.

        Args:
            limits: That hold for it.
            begun: When it was sent, in seconds of some clock.
            is_streaming: Whether the answer comes piece by piece.
        """
        self._limits = limits
        self._begun = self._told_at = begun
        self._is_streaming = is_streaming
        self._has_content = False
        self._look_at = begun + limits.first_token_s / LOOKS

    def missed(self, now: float, progress: Progress | None) -> tuple[Phase, float] | None:
        """Return what was waited for too long, and how long it was allowed to take; None if all is in time.

        Args:
            now: The time.
            progress: How far the response has come; None while it is not read, when no step of it can be late.
        """
        limits = self._limits
        since_s = now - self._begun
        if since_s >= limits.total_s:
            return Phase.TOTAL, limits.total_s
        if progress is None:
            self._told_at = now
            return None
        if not self._is_streaming:
            return (Phase.ANSWER, limits.first_token_s) if since_s >= limits.first_token_s else None
        if progress.closing_since:
            since = max(progress.closing_since, self._told_at)
            return (Phase.CLOSING, CLOSING_S) if now >= since + CLOSING_S else None
        if not progress.has_head and since_s >= limits.headers_s:
            return Phase.HEADERS, limits.headers_s
        # What is not read is judged once it is: whether content is late, and what for, hangs on what it says.
        return None if progress.is_unread else self._missed_content(now, progress)

    def _missed_content(self, now: float, progress: Progress) -> tuple[Phase, float] | None:
        limits = self._limits
        is_idle = now >= progress.heard_at + limits.idle_s
        is_late = now >= self._told_at + limits.first_token_s
        # Content is looked for only when something hangs on it: pieces that come one by one are not looked at.
        if (is_idle or is_late or now >= self._look_at) and self._was_told(progress):
            self._has_content = True
            self._told_at, is_late = now, False
            self._look_at = now + limits.first_token_s / LOOKS
        if is_late:
            return (Phase.CONTENT if self._has_content else Phase.FIRST_TOKEN), limits.first_token_s
        return (Phase.IDLE, limits.idle_s) if is_idle and self._has_content else None

    def _was_told(self, progress: Progress) -> bool:
        if progress.told is None:
            return progress.heard_at > self._begun
        return progress.told()
