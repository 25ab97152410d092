"""Who is left for a call that is too long for a model's window."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Model = TypeVar("Model")


def larger(models: Iterable[Model], needed_tokens: int, window_of: Callable[[Model], int | None]) -> tuple[Model, ...]:
    """Return the models that can hold the call, those first of which it is known, each kind in the order given.

    Args:
        models: Who might be asked, best first.
        needed_tokens: What the window must hold, prompt and answer together. Where only the failure is known, one more
            than the window of the model that failed.
        window_of: Tells the window of a model in tokens; None if it is not known.

    Models whose window is known to be too small are left out: they would fail in the same way.
    """
    fitting: list[Model] = []
    unknown: list[Model] = []
    for model in models:
        window = window_of(model)
        if window is None:
            unknown.append(model)
        elif window >= needed_tokens:
            fitting.append(model)
    return (*fitting, *unknown)
