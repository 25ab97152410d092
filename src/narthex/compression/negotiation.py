"""Which content coding a client takes.

https://www.rfc-editor.org/rfc/rfc9110#field.accept-encoding
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

IDENTITY: Final = "identity"
_ALIASES: Final = {"x-gzip": "gzip", "x-br": "br"}


def choose(field: str, offered: Sequence[str]) -> str | None:
    """Return the best of the `offered` codings that an `Accept-Encoding` field allows; None for no coding.

    What weighs most is taken, and of what weighs the same what is offered first. A client that would rather have no
    coding gets none.
    """
    if not offered:
        return None
    weights = _weights(field)
    others = weights.get("*", 0.0)
    best = max(offered, key=lambda name: weights.get(name, others))
    weight = weights.get(best, others)
    return best if weight > 0 and weight >= weights.get(IDENTITY, 0.0) else None


def refuses_plain(field: str) -> bool:
    """Tell whether a client does not take what has no coding."""
    weights = _weights(field)
    return weights.get(IDENTITY, weights.get("*", 1.0)) <= 0


def _weights(field: str) -> dict[str, float]:
    return dict(_weighted(item) for item in field.split(",") if item.strip())


def _weighted(item: str) -> tuple[str, float]:
    name, *parameters = (part.strip() for part in item.lower().split(";"))
    weight = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            weight = _number(value.strip())
    return _ALIASES.get(name, name), weight


def _number(text: str) -> float:
    """Return a weight from 0 to 1; what is none is nothing."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if 0 <= number <= 1 else 0.0
