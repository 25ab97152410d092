"""What answers consume: tokens, pictures, and sound by its length."""

from __future__ import annotations

from typing import Final

import msgspec

MAX_TOKENS: Final = 1_000_000_000
"""Of one answer: more was never consumed, whatever its provider says."""
MAX_IMAGES: Final = 1_000_000
"""As above."""
MAX_AUDIO_MS: Final = 1_000_000_000
"""As above: eleven days."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What one answer consumed; parts are included in their totals."""

    input_tokens: int = 0
    """All tokens read, those from and to the provider's prompt cache included."""
    output_tokens: int = 0
    """All tokens written, reasoning included."""
    cache_read_tokens: int = 0
    """Of `input_tokens`: read from the provider's prompt cache."""
    cache_write_tokens: int = 0
    """Of `input_tokens`: written to the provider's prompt cache."""
    cache_write_1h_tokens: int = 0
    """Of `cache_write_tokens`: those that are kept for an hour, which cost more than those for a few minutes."""
    reasoning_tokens: int = 0
    """Of `output_tokens`: spent on reasoning."""
    estimated: bool = False
    """Whether these were counted here because the provider did not report them."""
    images: int = 0
    """Pictures made."""
    audio_ms: int = 0
    """Sound heard or spoken, in milliseconds."""

    def plausible(self) -> Usage:
        """Return it such that no count is below zero, and no part above its total; itself if it is so."""
        read, written = self.input_tokens, self.output_tokens
        if self.images or self.audio_ms:
            return self._all_plausible()
        to_cache = self.cache_write_tokens or self.cache_write_1h_tokens
        if not (self.cache_read_tokens or to_cache or self.reasoning_tokens):
            if 0 <= read <= MAX_TOKENS and 0 <= written <= MAX_TOKENS:
                return self
        elif (
            0 <= self.cache_read_tokens <= read <= MAX_TOKENS
            and 0 <= self.cache_write_tokens <= read - self.cache_read_tokens
            and 0 <= self.cache_write_1h_tokens <= self.cache_write_tokens
            and 0 <= self.reasoning_tokens <= written <= MAX_TOKENS
        ):
            return self
        return self._all_plausible()

    def _all_plausible(self) -> Usage:
        read, written = _within(self.input_tokens, MAX_TOKENS), _within(self.output_tokens, MAX_TOKENS)
        from_cache = _within(self.cache_read_tokens, read)
        to_cache = _within(self.cache_write_tokens, read - from_cache)
        return Usage(
            input_tokens=read,
            output_tokens=written,
            cache_read_tokens=from_cache,
            cache_write_tokens=to_cache,
            cache_write_1h_tokens=_within(self.cache_write_1h_tokens, to_cache),
            reasoning_tokens=_within(self.reasoning_tokens, written),
            estimated=self.estimated,
            images=_within(self.images, MAX_IMAGES),
            audio_ms=_within(self.audio_ms, MAX_AUDIO_MS),
        )

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


def _within(count: int, most: int) -> int:
    return min(max(count, 0), most)
