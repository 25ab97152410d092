"""The checks of cascades, by name, and how answers fared against them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from narthex.pipeline.checking import Checker
from narthex.routing.virtual import VirtualModel


class Cascades:
    """What the answers of each cascade must be like."""

    def __init__(self, models: Iterable[VirtualModel] = ()) -> None:
        """Make the checks of those ready that are cascades."""
        self._checkers = {model.name: Checker(model.check) for model in models if model.check is not None}
        self._counts: dict[tuple[str, str, str], int] = {}

    def adopt(self, other: Cascades) -> None:
        """Check as the other does from now on; what was counted is kept."""
        self._checkers = other._checkers

    def checker(self, virtual: str) -> Checker | None:
        """Return the check of a virtual model; None if it is no cascade."""
        return self._checkers.get(virtual)

    def note(self, virtual: str, model: str, outcome: str) -> None:
        """Count an answer; the outcome is `passed`, or why it did not."""
        key = (virtual, model, outcome)
        self._counts[key] = self._counts.get(key, 0) + 1

    def lines(self) -> Iterator[str]:
        """Yield the counters in Prometheus's text format."""
        yield "# HELP narthex_cascade_answers_total Answers that a cascade checked, by what came of it."
        yield "# TYPE narthex_cascade_answers_total counter"
        for (virtual, model, outcome), count in sorted(self._counts.items()):
            labels = f'virtual="{virtual}",model="{model}",check="{outcome}"'
            yield f"narthex_cascade_answers_total{{{labels}}} {count}"
