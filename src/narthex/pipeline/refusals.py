"""Definite refusals of providers, given again for a while to those who ask the same."""

from __future__ import annotations

from time import monotonic
from typing import Final

from narthex.errors import ProviderError, alike

MAX_ERRORS: Final = 1_024
"""Refusals that are remembered."""


class Refusals:
    """Remembers refusals, by the keys of what was asked."""

    def __init__(self) -> None:
        """Begin with none."""
        self._errors: dict[bytes, tuple[ProviderError, float]] = {}

    def remember(self, key: bytes, error: ProviderError, for_s: float) -> None:
        """Take note of one."""
        if not for_s:
            return
        if len(self._errors) >= MAX_ERRORS:
            del self._errors[next(iter(self._errors))]
        self._errors[key] = (error, monotonic() + for_s)

    def raise_remembered(self, key: bytes) -> None:
        """Give a refusal again.

        Raises:
            ProviderError: There is one.
        """
        if not self._errors:
            return
        remembered = self._errors.get(key)
        if remembered is None:
            return
        if remembered[1] > monotonic():
            raise alike(remembered[0])
        del self._errors[key]
