"""What renders metrics of the cache, of the ledger and of what else keeps things, each with something to tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from narthex.audit.log import Audit
from narthex.books import Books
from narthex.cache.tier_figures import TierFigures
from narthex.cache.tier_figures import lines as tier_lines
from narthex.caching import Caching, same_meaning
from narthex.compression.figures import CompressionStats
from narthex.config.cache_settings import CacheSettings, SemanticSettings
from narthex.ledger.limits.courier import Courier
from narthex.pipeline.contract import Spawn
from narthex.pipeline.house_calls import HouseCalls
from narthex.pipeline.registry import KeepPolicy, Registry
from narthex.providers.catalog import Catalog
from narthex.stores.database import Database
from narthex.stores.link import LinkSettings


def kept(spawn: Spawn) -> Iterator[str]:
    """Yield the lines of all that keeps something, once each was counted."""
    with TemporaryDirectory() as folder:
        books = Books(Path(folder) / "ledger", lambda _model: None)
        try:
            yield from books.lines()
            yield from Courier(LinkSettings(url="redis://127.0.0.1"), 1.0).lines()
            yield from _cache(books, spawn)
        finally:
            books.book.close()
        database = Database.open_now(None, data_dir=Path(folder))
        yield from database.lines()
        database.close_now()
    yield from _compression().lines()
    yield from Audit().lines()
    yield from Registry(KeepPolicy(), {}).lines()


def _cache(books: Books, spawn: Spawn) -> Iterator[str]:
    caching = Caching(CacheSettings(), spawn)
    figures = caching.cache.figures
    figures.hits["hit"] = figures.misses["absent"] = 1
    figures.refused["too large"] = 1
    caching.prefetching.outcomes["generation", "made"] = 1
    yield from caching.lines()
    tier = TierFigures()
    tier.bytes = 0
    yield from tier_lines({"disk": tier})
    house = HouseCalls(Catalog([]).resolve, spawn, books.billing)
    yield from same_meaning(SemanticSettings(), house, caching.cache, spawn).lines()


def _compression() -> CompressionStats:
    stats = CompressionStats()
    stats.tally("cache", "answers", "zstd")
    return stats
