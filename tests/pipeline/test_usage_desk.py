"""What was used, told from what is held: always as the database tells it at that moment."""

from __future__ import annotations

import random
from pathlib import Path

from sqlalchemy import delete

from narthex.ledger.forecasting import forecast
from narthex.ledger.periods import HOUR_MS
from narthex.ledger.provider_savings import with_savings
from narthex.ledger.rows import add_entries
from narthex.ledger.usage import Question, question
from narthex.pipeline.usage_desk import UsageDesk
from narthex.stores.database import Database
from narthex.stores.database.schema import ledger_entries, usage_hours
from narthex.types.catalog import Price
from tests.ledger.calls import entry
from tests.stores.databases import doing

BEGIN = 1_793_491_200_000


def price(input_price: int) -> Price:
    """Return a price with a cache."""
    return Price(input_microusd_per_mtok=input_price, output_microusd_per_mtok=9_000, cache_read_microusd_per_mtok=100)


def asked(until: int, **more: object) -> Question:
    """Return a question for all since the beginning."""
    return question(since=BEGIN, until=until, **more)  # type: ignore[arg-type]


class Town:
    """Two processes with one database, and what each of them holds; every answer is compared."""

    def __init__(self, databases: tuple[Database, Database]) -> None:
        """Begin an hour after the beginning, with a price."""
        self.prices = {"acme/one": price(1_000)}
        self.desks = [(UsageDesk(self.prices.get), one) for one in databases]
        self.now, self.asked = BEGIN + HOUR_MS, 0

    async def write(self, source: Database, number: int, at: int) -> None:
        """Write an entry."""
        used = entry(number, at=at, model="acme/one", input_tokens=10_000, cache_read_tokens=1_000)
        await source.write(lambda connection: add_entries(connection, [used]))

    async def erase(self, source: Database) -> None:
        """Leave nothing."""
        for table in (ledger_entries, usage_hours):
            await source.write(doing(delete(table)))

    async def foretell(self, desk: UsageDesk, source: Database) -> None:
        """Ask what the month will cost."""
        now, wanted = self.now, asked(self.now)
        told = await desk.forecast(source, wanted, period="month", now=now)
        assert told == await source.read(lambda connection: forecast(connection, wanted, period="month", now=now))

    async def ask(self, desk: UsageDesk, source: Database, *, to_now: bool, by: tuple[str, ...]) -> None:
        """Ask for the sums."""
        wanted = asked(self.now + 1 if to_now else BEGIN + 4 * HOUR_MS, by=by)
        found = await desk.sums(source, wanted, to_now=to_now)
        assert found == await source.read(lambda connection: with_savings(connection, wanted, self.prices.get))
        self.asked += 1


async def test_two_processes_tell_what_the_database_tells(
    database_url: str, database: Database, tmp_path: Path
) -> None:
    """Whoever writes, prices or erases, and whoever asks what: there is no difference to reading it now."""
    other, chance = Database.open_now(database_url, data_dir=tmp_path), random.Random(7)
    town = Town((database, other))
    try:
        for number in range(120):
            town.now += chance.randrange(HOUR_MS // 4)
            step, (desk, source) = chance.randrange(10), chance.choice(town.desks)
            if step < 2:
                # Now and then from a machine whose clock goes before.
                await town.write(source, number, town.now + chance.choice([0, 0, 3 * HOUR_MS]))
            elif step == 2 and number % 3 == 0:
                town.prices["acme/one"] = price(chance.randrange(500, 5_000))
            elif step == 3 and number % 5 == 0:
                await town.erase(source)
            elif step == 4:
                await town.foretell(desk, source)
            else:
                await town.ask(desk, source, to_now=chance.random() < 0.7, by=chance.choice([(), ("key",)]))
        assert 0 < sum(desk.models.queries.hits for desk, _ in town.desks) < town.asked
    finally:
        other.close_now()
