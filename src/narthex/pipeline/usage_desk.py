"""Tells what was used: sums of the ledger, which are held for whoever asks the same while nothing is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

import msgspec

from narthex.cache.read_models import ReadModels
from narthex.types.catalog import Price

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from narthex.ledger.forecasting import Forecast
    from narthex.ledger.provider_savings import Saved
    from narthex.ledger.usage import Question

T = TypeVar("T")
PriceOf = Callable[[str], Price | None]
MAX_BYTES: Final = 16_777_216
"""What held answers take up, at most."""
_ROW_BYTES: Final = 700


class Source(Protocol):
    """The database, as far as it is used here."""

    async def read(self, work: Callable[[Connection], T], /) -> T:
        """Read from it."""
        ...

    async def stamp(self) -> str:
        """Return what is another text as soon as anybody has committed anything."""
        ...


class _Held(msgspec.Struct, Generic[T], frozen=True):
    """An answer, and what it rests on beside the database."""

    answer: T
    until: int
    """It is asked for all before this moment."""
    newest: int
    """When the last entry of the ledger is from."""
    prices: Mapping[str, Price | None]
    """What was looked up, and found."""


class UsageDesk:
    """Answers what is asked of the ledger's sums.

    Attributes:
        models: Holds the answers.
    """

    def __init__(self, price_of: PriceOf) -> None:
        """Hold nothing yet.

        Args:
            price_of: What a model costs where no version of a price says it.
        """
        self.models = ReadModels(max_bytes=MAX_BYTES)
        self._price_of = price_of

    async def sums(self, source: Source, asked: Question, *, to_now: bool = False) -> Saved:
        """Return the sums that are asked for, and what caches of providers saved; they must not be changed.

        Args:
            source: The database.
            asked: The question.
            to_now: Whether it ends now, so that it is the same question a moment later.

        Raises:
            InvalidRequest: They are too many.
            StoreUnavailable: The database cannot be used.
        """
        from narthex.ledger.provider_savings import with_savings  # noqa: PLC0415 - loaded with the database

        def produce(connection: Connection, price_of: PriceOf) -> Saved:
            return with_savings(connection, asked, price_of)

        return await self._held("usage", source, asked, produce, to_now=to_now, size=lambda found: len(found.rows))

    async def forecast(self, source: Source, asked: Question, *, period: str, now: int) -> Forecast:
        """Return what the period that `now` lies in will have cost; see `narthex.ledger.forecasting.forecast`.

        Raises:
            StoreUnavailable: The database cannot be used.
        """
        from narthex.ledger.forecasting import daily_costs, daily_question, expected  # noqa: PLC0415 - loaded with the database

        daily = daily_question(asked, period=period, now=now)

        def produce(connection: Connection, _: PriceOf) -> Mapping[int, int]:
            return daily_costs(connection, daily)

        found = await self._held("usage.days", source, daily, produce, to_now=True, size=len)
        return expected(found, period=period, now=now)

    def lines(self) -> Iterator[str]:
        """Yield the counters for Prometheus."""
        yield from self.models.lines()

    async def _held(
        self,
        name: str,
        source: Source,
        asked: Question,
        produce: Callable[[Connection, PriceOf], T],
        *,
        to_now: bool,
        size: Callable[[T], int],
    ) -> T:
        def reading() -> Awaitable[_Held[T]]:
            return source.read(lambda connection: self._read(connection, asked, produce, to_now=to_now))

        question = msgspec.structs.replace(asked, until=0) if to_now else asked
        held = await self.models.read(
            name,
            question,
            reading,
            stamp=source.stamp,
            holds=lambda held: self._holds(held, asked),
            size=lambda held: _ROW_BYTES * (1 + size(held.answer)),
        )
        return held.answer

    def _read(
        self, connection: Connection, asked: Question, produce: Callable[[Connection, PriceOf], T], *, to_now: bool
    ) -> _Held[T]:
        from narthex.ledger.listing import newest_at  # noqa: PLC0415 - as above

        prices: dict[str, Price | None] = {}

        def price_of(model: str) -> Price | None:
            found = prices[model] = self._price_of(model)
            return found

        answer = produce(connection, price_of)
        # Read after the sums it may be later than they know of: then they are read again, which is never wrong.
        return _Held(answer, asked.until, newest_at(connection) if to_now else 0, prices)

    def _holds(self, held: _Held[T], asked: Question) -> bool:
        if any(self._price_of(model) != price for model, price in held.prices.items()):
            return False
        # Nothing lies between the two moments until which it is asked.
        return held.until == asked.until or held.newest < min(held.until, asked.until)
