"""What became of second attempts beside late ones: plain counters."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from narthex.telemetry.metrics import escaped

MAX_MODELS: Final = 1_000
"""Models that are told apart; more are counted under `other`."""


class HedgeEnd(StrEnum):
    """How a second attempt ended."""

    WON = "won"
    """Its answer came first, or alone."""
    LOST = "lost"
    """The attempt that was late answered after all, and before it."""
    FAILED = "failed"
    """It failed itself."""
    DROPPED = "dropped"
    """Nobody waited for it any more: the caller left, or the first attempt brought a truth that no other can change."""


class Hedges:
    """The counters of this process.

    Attributes:
        begun: Second attempts that were made.
        refused: Second attempts that were due, and not made because their budget was spent.
        ended: Those that ended, by how.
    """

    __slots__ = ("_input_tokens", "begun", "ended", "refused")

    def __init__(self) -> None:
        self.begun = 0
        self.refused = 0
        self.ended = dict.fromkeys(HedgeEnd, 0)
        self._input_tokens: dict[str, int] = {}

    def let_go(self, model: str, input_tokens: int) -> None:
        """Count the prompt of an attempt that was let go: its provider has read it, and is likely to bill it."""
        if model not in self._input_tokens and len(self._input_tokens) >= MAX_MODELS:
            model = "other"
        self._input_tokens[model] = self._input_tokens.get(model, 0) + input_tokens

    def lines(self) -> Iterator[str]:
        """Yield the counters in Prometheus's text format.

        https://prometheus.io/docs/instrumenting/exposition_formats/
        """
        yield "# HELP narthex_hedges_total Second attempts beside late ones, by what became of them."
        yield "# TYPE narthex_hedges_total counter"
        for event, count in (("begun", self.begun), ("refused", self.refused), *self.ended.items()):
            yield f'narthex_hedges_total{{event="{event}"}} {count}'
        yield "# HELP narthex_hedge_input_tokens_total Tokens of prompts of attempts that were let go, estimated."
        yield "# TYPE narthex_hedge_input_tokens_total counter"
        for model, tokens in self._input_tokens.items():
            yield f'narthex_hedge_input_tokens_total{{model="{escaped(model)}"}} {tokens}'
