"""Tokens counted."""

from __future__ import annotations

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What one answer consumed, in tokens; parts are included in their totals."""

    input_tokens: int = 0
    """All tokens read, those from and to the provider's prompt cache included."""
    output_tokens: int = 0
    """All tokens written, reasoning included."""
    cache_read_tokens: int = 0
    """Of `input_tokens`: read from the provider's prompt cache."""
    cache_write_tokens: int = 0
    """Of `input_tokens`: written to the provider's prompt cache."""
    reasoning_tokens: int = 0
    """Of `output_tokens`: spent on reasoning."""
    estimated: bool = False
    """Whether these were counted here because the provider did not report them."""

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens
