"""What models cost, from which moment on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from hashlib import blake2b
from math import inf
from typing import Final

import msgspec

from narthex.types.catalog import Price

MAX_REMEMBERED: Final = 4_096
"""Answers that are kept, so that most calls cost one look-up."""

_encode = msgspec.json.Encoder(order="deterministic").encode


class PriceVersion(msgspec.Struct, frozen=True, kw_only=True):
    """What a model costs from a moment on, until the next version."""

    id: str
    model: str
    """`provider/model`."""
    valid_from: int
    """Unix time in milliseconds."""
    price: Price
    organisation_id: str | None = None
    """For whom; None for all."""


class Priced(msgspec.Struct, frozen=True, gc=False):
    """A price, and the name of its version."""

    id: str
    price: Price


class Prices:
    """The prices of all models: an organisation's own before those for all, those before the configured ones."""

    def __init__(self, base: Callable[[str], Price | None], versions: Iterable[PriceVersion] = ()) -> None:
        """Take the prices in.

        Args:
            base: What a model costs where no version says it: as configured, or as its provider tells.
            versions: In any order.
        """
        self._base = base
        self._versions: dict[tuple[str | None, str], list[PriceVersion]] = {}
        self._known: dict[tuple[str, str], tuple[float, float, Priced]] = {}
        self._based: dict[str, Priced] = {}
        self.adopt(versions)

    def adopt(self, versions: Iterable[PriceVersion]) -> None:
        """Go by these versions from now on."""
        found: dict[tuple[str | None, str], list[PriceVersion]] = {}
        for version in sorted(versions, key=lambda one: one.valid_from):
            found.setdefault((version.organisation_id, version.model), []).append(version)
        self._versions = found
        self.forget()

    def forget(self) -> None:
        """Look everything up again, as what is configured may have changed."""
        self._known = {}
        self._based = {}

    def of(self, organisation_id: str, model: str, at_ms: float) -> Priced | None:
        """Return what a model costs an organisation at a moment of Unix time in milliseconds; None if nobody knows."""
        if not self._versions:
            price, based = self._base(model), self._based.get(model)
            if price is None or (based is not None and based.price is price):
                return None if price is None else based
            return self._base_of(model)
        known = self._known.get((organisation_id, model))
        if known is not None and known[0] <= at_ms < known[1]:
            return known[2]
        since, until, priced = self._look_up(organisation_id, model, at_ms)
        if priced is None:
            return self._base_of(model)
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[organisation_id, model] = since, until, priced
        return priced

    def _base_of(self, model: str) -> Priced | None:
        """Return what no version says: asked anew each time, as a provider may tell of its models at any moment."""
        price, known = self._base(model), self._based.get(model)
        if price is None:
            return None
        if known is not None and (known.price is price or known.price == price):
            return known
        if len(self._based) >= MAX_REMEMBERED:
            self._based.clear()
        self._based[model] = known = Priced(base_id(price), price)
        return known

    def _look_up(self, organisation_id: str, model: str, at_ms: float) -> tuple[float, float, Priced | None]:
        """Return the price of a version, and from when to when it is right; None where no version says it."""
        since, until = -inf, inf
        for owner in (organisation_id, None):
            versions = self._versions.get((owner, model), ())
            place = bisect_right(versions, at_ms, key=lambda one: one.valid_from)
            if place < len(versions):
                until = min(until, versions[place].valid_from)
            if place:
                version = versions[place - 1]
                return max(since, version.valid_from), until, Priced(version.id, version.price)
        return since, until, None


def base_id(price: Price) -> str:
    """Return the name of a price that is no version in the database: the same for the same figures."""
    return f"base:{blake2b(_encode(price), digest_size=8).hexdigest()}"
