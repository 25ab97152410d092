"""What all nodes know is looked up within a budget, and written beside the calls, whatever the database does."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from narthex.cache.semantic.contract import Question
from narthex.cache.semantic.entries import Entries
from narthex.cache.semantic.shared import (
    DOUBTED_S,
    MAX_WAITING,
    REST_S,
    SLOW_TIMES,
    SharedIndex,
    SharedQuestion,
    Wanted,
)
from tests.cache.semantic.asking import ask
from tests.cache.semantic.sharing import NAMESPACE, kept, row
from tests.tenancy.waiting import until

RESET = "How do I reset my router?"


class Kept:
    """Rows in memory.

    Attributes:
        done: What was written, in order.
        found: What each look finds.
        holds: Held while nothing is to be answered.
        error: What happens in place of an answer.
    """

    def __init__(self) -> None:
        self.done: list[tuple[str, object]] = []
        self.found: list[SharedQuestion] = []
        self.holds = threading.Lock()
        self.error: Exception | None = None
        self.wanted: list[Wanted] = []

    def nearest(self, wanted: Wanted) -> list[SharedQuestion]:
        """See `Rows`."""
        self.wanted.append(wanted)
        with self.holds:
            if self.error is not None:
                raise self.error
            return self.found

    def put(self, rows: Sequence[SharedQuestion], now_ms: int) -> None:
        """See `Rows`."""
        self._do("put", [one.key for one in rows])
        assert now_ms

    def vouch(self, vouched: Iterable[tuple[bytes, str]]) -> None:
        """See `Rows`."""
        self._do("vouch", list(vouched))

    def use(self, keys: Iterable[bytes], now_ms: int) -> None:
        """See `Rows`."""
        self._do("use", list(keys))
        assert now_ms

    def remove(self, keys: Iterable[bytes]) -> None:
        """See `Rows`."""
        self._do("remove", list(keys))

    def _do(self, what: str, said: object) -> None:
        if self.error is not None:
            raise self.error
        self.done.append((what, said))


class Clock:
    """A time that stands still."""

    now = 1_000.0

    def __call__(self) -> float:
        """Return it."""
        return self.now


@contextmanager
def opened(budget_s: float = 20.0) -> Iterator[tuple[SharedIndex, Kept, Clock]]:
    """Return an index over rows in memory, with one model that is known."""
    rows, clock = Kept(), Clock()
    index = SharedIndex(budget_s=budget_s, clock=clock)
    with ThreadPoolExecutor(1) as readers:
        index.opened(rows, readers)
        index.recognised(NAMESPACE, 1)
        yield index, rows, clock


async def in_place(work: Callable[[], None]) -> None:
    """Do something where it is asked for."""
    work()


def soon(work: Callable[[], None]) -> asyncio.Future[None]:
    """Do it, as a thread would."""
    return asyncio.ensure_future(in_place(work))


async def test_it_looks_for_the_tenants_scope_and_the_model_of_the_vector() -> None:
    """And for nothing where it is closed, where there is no vector, or where the model is not known there."""
    with opened() as (index, rows, _):
        rows.found = [row(ask(RESET))]
        question = ask(RESET)
        assert await index.nearest(question, 3) == rows.found
        (asked,) = rows.wanted
        assert (asked.tenant, asked.scope, asked.embedder, asked.vector, asked.count) == (
            "acme",
            question.scope,
            1,
            question.vector,
            3,
        )
        for other in (question.embedded(None, NAMESPACE), question.embedded(question.vector, "test/2")):
            assert await index.nearest(other, 3) == []
            index.put(other, kept(b"k"))
        index.left()
        assert not index.is_open
        assert await index.nearest(question, 3) == []
        assert (index.looks, index.late, index.has_waiting, len(rows.wanted)) == (1, 0, False, 1)


async def test_nobody_waits_beyond_the_budget_and_a_slow_database_is_left_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After some late looks in a row it is not asked for a while; then it is tried again."""
    with opened(budget_s=0.01) as (index, rows, clock), caplog.at_level(logging.WARNING):
        rows.found = [row(ask(RESET))]
        with rows.holds:
            for _ in range(SLOW_TIMES):
                assert await index.nearest(ask(RESET), 3) == []
            assert await index.nearest(ask(RESET), 3) == []
        assert (index.late, index.looks) == (SLOW_TIMES, SLOW_TIMES)
        assert "does not find a question within 10 ms" in caplog.text
        await until(lambda: len(rows.wanted) == SLOW_TIMES, within_s=20)
        clock.now += REST_S
        index._budget_s = 20.0
        assert await index.nearest(ask(RESET), 3) == rows.found


async def test_only_so_many_wait_at_once() -> None:
    """Further looks find nothing at once."""
    with opened(budget_s=0.01) as (index, rows, _):
        with rows.holds:
            assert [await index.nearest(ask(RESET), 3) for _ in range(2)] == [[], []]
            found = await asyncio.gather(*(index.nearest(ask(RESET), 3) for _ in range(30)))
            assert found == [[]] * 30
            assert index.looks <= 16
        await until(lambda: len(rows.wanted) == index.looks, within_s=20)


async def test_what_breaks_is_told_and_finds_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Once a minute in the log; whoever keeps it open hears of it at once."""
    with opened() as (index, rows, clock), caplog.at_level(logging.WARNING):
        rows.error = RuntimeError("connection gone")
        assert await index.nearest(ask(RESET), 3) == []
        assert index.broken is rows.error
        assert index.waits.is_set()
        for _ in range(3):
            index.failed(rows.error)
        clock.now += 61
        index.failed(rows.error)
        assert caplog.text.count("connection gone") == 2


async def test_it_is_written_in_order_and_what_cannot_be_waits_on() -> None:
    """What goes goes first; of one text the latest is written; answers of nobody's keep no names of anybody."""
    with opened() as (index, rows, _):
        entries = Entries(most=9, most_bytes=1_000_000)
        for key in (b"a", b"b"):
            index.put(ask(RESET), kept(key, "user:u", "model:m", "end-user:w:e"))
        index.put(ask("Where is the bar?"), kept(b"c"))
        index.vouched(entries.put(ask(RESET), b"b"))
        index.used(b"d")
        index.remove([b"c", b"gone"])
        rows.error = OSError("away")
        with pytest.raises(OSError, match="away"):
            await index.write(rows, soon)
        rows.error = None
        await index.write(rows, soon)
        assert sorted(rows.done[0][1]) == [b"c", b"gone"]  # type: ignore[call-overload]
        assert rows.done[1:] == [("put", [b"b"]), ("vouch", [(b"b", ask(RESET).marks.folded)]), ("use", [b"d"])]
        assert not index.has_waiting
        assert not index.waits.is_set()


async def test_whose_an_answer_is_is_written_and_nothing_else_of_its_tags() -> None:
    """That is what is erased by."""
    with opened() as (index, _, _clock):
        index.put(ask(RESET), kept(b"k", "user:u", "model:m", "key:k1", "end-user:w:e", "x"))
        (waiting,) = index._waiting.values()
        assert waiting.tags == ("user:u", "key:k1", "end-user:w:e")


async def test_only_so_much_waits() -> None:
    """Where nothing is written, memory does not fill."""
    with opened() as (index, _, _clock):
        base = ask(RESET)
        for number in range(MAX_WAITING + 5):
            text = f"How do I reset router number {number}?"
            one = Question(scope=base.scope, tenant="acme", text=text, category="howto")
            index.put(one.embedded(base.vector, NAMESPACE), kept(b"%d" % number))
        assert len(index._waiting) == MAX_WAITING


async def test_what_goes_is_not_found_meanwhile_and_an_answer_that_was_away_may_be_back() -> None:
    """What leads to no answer is left alone for a while; if there is none then either, it goes."""
    with opened() as (index, rows, clock):
        rows.found = [row(ask(RESET), b"a"), row(ask(RESET), b"b")]
        index.doubt(b"a")
        assert [one.key for one in await index.nearest(ask(RESET), 3)] == [b"b"]
        index.doubt(b"a")
        clock.now += DOUBTED_S
        assert [one.key for one in await index.nearest(ask(RESET), 3)] == [b"a", b"b"]
        index.doubt(b"a")
        assert [one.key for one in await index.nearest(ask(RESET), 3)] == [b"b"]
        index.doubt(b"b")
        index.put(ask(RESET), kept(b"b"))
        assert [one.key for one in await index.nearest(ask(RESET), 3)] == [b"b"]
        await index.write(rows, soon)
        assert rows.done == [("remove", [b"a"]), ("put", [b"b"])]


async def test_what_was_put_before_another_model_was_noticed_goes() -> None:
    """It may have a vector of either; what was put under a model that was seen again since stays."""
    with opened() as (index, rows, _):
        index.put(ask(RESET), kept(b"sure"))
        await index.write(rows, soon)
        index.recognised(NAMESPACE, 1)
        index.put(ask("Where is the bar?"), kept(b"unsure"))
        await index.write(rows, soon)
        index.recognised("test/2", 2)
        assert index.embedders == {"test/2": 2}
        await index.write(rows, soon)
        assert rows.done == [("put", [b"sure"]), ("put", [b"unsure"]), ("remove", [b"unsure"])]
