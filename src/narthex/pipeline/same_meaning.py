"""Answers from the cache to questions that mean the same: looked for, learned, judged, and let go of with the answers.

What is known here is only which question leads to which answer: the answer itself lies in the cache under the key of
the call that it was made for, and whatever has that void has this void.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from narthex.cache.figures import Counts
from narthex.cache.semantic.contract import CATEGORIES, Judge, Near, Pair, Question, SemanticHit
from narthex.cache.semantic.embedding import Embedding
from narthex.cache.semantic.engine import CategoryStatus, Semantic
from narthex.cache.semantic.questions import question_of
from narthex.cache.semantic.reports import CategoryReport, SemanticReport
from narthex.cache.semantic.shared import Kept, SharedIndex
from narthex.cache.store import Cache, Found
from narthex.errors import NarthexError
from narthex.pipeline.cache_terms import Circle, Terms
from narthex.pipeline.contract import Spawn
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.semantic_judging import Twice

logger = logging.getLogger(__name__)

CHECKED_EVERY_S: Final = 300.0
"""After how long it is looked whether the embedding model is still the same one."""
MAX_TRIED: Final = 10_000
_AT_ONCE: Final = 500
"""Entries that are looked at before others have their turn."""
_LOOKED_AT: Final = 8
"""Nearest questions that are asked of what all nodes know."""
_HELD_LIGHTLY: Final = frozenset({"unsure", "unlikely"})
"""Why a question is held back that may still do where nothing else can be had."""

Compare = Callable[[Twice], Awaitable[bool | None]]
"""Tells whether two answers say the same; None where it has no verdict."""


class Means(msgspec.Struct, frozen=True):
    """What it works with."""

    engine: Semantic
    embedding: Embedding
    compare: Compare
    judge: Judge | None = None
    """Judges pairs that are nearly sure; without it none is."""
    safe_tools: tuple[str, ...] = ()
    least_similarity: float | None = None
    """From which on the answer to a similar question is given where every model failed; None for never."""
    shared: SharedIndex | None = None
    """What all nodes know; None where each knows only its own."""
    recognise: Callable[[str, bytes], None] | None = None
    """Told, again and again, the namespace of vectors and the vector of a sentence that is always the same."""


class Alike(NamedTuple):
    """What came of a look."""

    why: str
    """Why nothing is given; `hit` if something is."""
    found: Found | None = None
    hit: SemanticHit | None = None
    near: Near | None = None
    """The nearest question, where that was held back."""

    @property
    def similarity(self) -> float | None:
        """Of the nearest question; None where none is near."""
        nearest = self.hit or self.near
        return None if nearest is None else round(nearest.similarity, 4)


class SameMeaning:
    """Looks, and learns.

    Attributes:
        means: What it works with.
    """

    def __init__(self, means: Means, cache: Cache, spawn: Spawn) -> None:
        """Take what it works with, where answers lie, and what keeps the tasks of what is done beside calls."""
        self.means = means
        self._cache = cache
        self._spawn = spawn
        self._tried = set[bytes]()
        """Answers whose questions could not be learned, or were once."""
        self._is_judging = self._is_tidying = self._is_untidy = False

    # -- on the way of a call --------------------------------------------------------------------------------------

    async def look(self, exchange: Exchange, terms: Terms) -> Alike:
        """Look for the answer to a question of the same meaning; the vector is waited for within its budget."""
        question = self._question(exchange, terms.circle)
        if question is None:
            return Alike("unfit")
        vector = await self.means.embedding.of(question.text)
        question = question.embedded(vector, self.means.embedding.namespace)
        outcome = self.means.engine.look(question)
        if self.means.shared is not None and not isinstance(outcome, SemanticHit):
            outcome = await self._look_further(self.means.shared, question) or outcome
        alike = await self._told(outcome, terms, has_vector=vector is not None)
        self._cache.figures.looked_for_meaning(question.category, terms.scope, hit=alike.found is not None)
        return alike

    async def _look_further(self, shared: SharedIndex, question: Question) -> SemanticHit | Near | None:
        """Look among what all nodes know, within its budget; None where nothing is found that was not known."""
        found = await shared.nearest(question, _LOOKED_AT)
        if not self.means.engine.adopt(question, found):
            return None
        shared.found += 1
        return self.means.engine.look(question, again=True)

    async def _told(self, outcome: SemanticHit | Near | None, terms: Terms, *, has_vector: bool) -> Alike:
        if outcome is None:
            return Alike("nothing near" if has_vector else "no vector")
        if isinstance(outcome, Near):
            if outcome.reason == "unsure":
                self._judge_soon()
            return Alike(outcome.reason, near=outcome)
        found = await self._answer_under(outcome.key, terms)
        return Alike("gone", hit=outcome) if found is None else Alike("hit", found, outcome)

    async def _answer_under(self, key: bytes, terms: Terms) -> Found | None:
        """Return an answer that may be given to whoever these terms are of; what leads to none is forgotten."""
        found = self._cache.find(key)
        if isinstance(found, str) and self._cache.below:
            found = await self._cache.search(key, found)
        shared = self.means.shared
        if isinstance(found, str):
            self.means.engine.forget(key)
            if shared is not None:
                shared.doubt(key)
            return None
        if shared is not None:
            shared.used(key)
        entry = found.entry
        # The digests say the same already: whoever may not have an answer is to be kept from it twice.
        return found if entry.scope == terms.scope and entry.model == (terms.model or entry.model) else None

    async def instead(self, exchange: Exchange, terms: Terms, near: Near | None) -> Found | None:
        """Return the answer to the nearest question, to be given marked as such where every model failed."""
        least = self.means.least_similarity
        if near is None or least is None or near.similarity < least or near.reason not in _HELD_LIGHTLY:
            return None
        return None if exchange.chat_request().tools else await self._answer_under(near.key, terms)

    def _question(self, exchange: Exchange, circle: Circle | None) -> Question | None:
        if circle is None:
            return None
        try:
            return question_of(
                exchange.chat_request(),
                circle.tenant,
                circle.model,
                principal=circle.principal,
                safe_tools=self.means.safe_tools,
            )
        except (NarthexError, msgspec.MsgspecError, TypeError):
            # Its terms could be worked out; what cannot be written down here is held against nothing.
            return None

    # -- what is learned -------------------------------------------------------------------------------------------

    def met(self, exchange: Exchange, terms: Terms, key: bytes) -> None:
        """Take note that an answer was given to the very question that it was made for."""
        circle = terms.circle
        if circle is None or self.means.engine.met(key, circle.principal) or key in self._tried:
            return
        if len(self._tried) >= MAX_TRIED:
            self._tried.clear()
        self._tried.add(key)
        self.learn(exchange, terms, key)

    def learn(self, exchange: Exchange, terms: Terms, key: bytes) -> None:
        """Have a question lead to the answer that lies under a key, soon."""
        question = self._question(exchange, terms.circle)
        if question is not None:
            self._spawn(self._learn(question, key))

    async def _learn(self, question: Question, key: bytes) -> None:
        embedding = self.means.embedding
        vector = await embedding.of(question.text)
        # It may have been let go of meanwhile.
        held = self._cache.memory.peek(key)
        if held is None:
            return
        question = question.embedded(vector, embedding.namespace)
        self.means.engine.learn(question, key)
        if self.means.shared is not None:
            entry = held.entry
            begun_ms, ends_ms = entry.made_ms - entry.took_ms, entry.made_ms + entry.kept_ms
            self.means.shared.put(question, Kept(key=key, tags=entry.tags, begun_ms=begun_ms, ends_ms=ends_ms))

    # -- what is judged --------------------------------------------------------------------------------------------

    async def sampled(self, pair: Pair, served: str, generate: Callable[[], Awaitable[str | None]]) -> None:
        """Take note whether what was served is what was generated, where that can be told."""
        generated = await generate()
        if generated is None:
            return
        try:
            same = await self.means.compare(Twice(pair.question, served, generated))
        except (NarthexError, TimeoutError) as error:
            logger.info("semantic cache: a sample could not be judged: %s", error)
            return
        if same is not None:
            self.means.engine.judged(pair, same)

    def _judge_soon(self) -> None:
        if self.means.judge is not None and not self._is_judging:
            self._is_judging = True
            self._spawn(self._judge_all(self.means.judge))

    async def _judge_all(self, judge: Judge) -> None:
        """Judge what waits, one pair after the other."""
        try:
            while await self.means.engine.judge_next(judge):
                pass
        finally:
            self._is_judging = False

    # -- what is let go of -----------------------------------------------------------------------------------------

    def let_go(self, keys: Iterable[bytes] | None) -> None:
        """Let go of the questions that led to these answers; with None to some that were declared void."""
        if keys is None:
            self.tidy()
            return
        keys = tuple(keys)
        for key in keys:
            self._tried.discard(key)
            self.means.engine.forget(key)
        if self.means.shared is not None:
            self.means.shared.remove(keys)

    def tidy(self) -> None:
        """Let go, soon, of all questions whose answers are not in memory: some were declared void.

        What lies in a tier below is learned again where it is asked for again.
        """
        self._is_untidy = True
        if not self._is_tidying:
            self._is_tidying = True
            self._spawn(self._tidy())

    async def _tidy(self) -> None:
        try:
            while self._is_untidy:
                self._is_untidy = False
                for count, key in enumerate([entry.key for entry in self.means.engine.entries]):
                    held = self._cache.memory.peek(key)
                    if held is None or not self._cache.is_alive(held.entry):
                        self.means.engine.forget(key)
                    if count % _AT_ONCE == _AT_ONCE - 1:
                        await asyncio.sleep(0)
        finally:
            self._is_tidying = False

    # -- beside all calls ------------------------------------------------------------------------------------------

    async def keep_watch(self) -> None:
        """Look again and again whether vectors are still made by the same model; the first time, it is loaded."""
        try:
            while True:
                await self.means.embedding.check()
                if self.means.recognise is not None and self.means.embedding.probe is not None:
                    self.means.recognise(self.means.embedding.namespace, self.means.embedding.probe)
                await asyncio.sleep(CHECKED_EVERY_S)
        finally:
            await self.means.embedding.aclose()

    def report(self, counts: Counts, *, is_whole: bool) -> SemanticReport:
        """Tell how it does: with the looks of one owner, or of everybody."""
        engine, embedding = self.means.engine, self.means.embedding
        return SemanticReport(
            embedding_model=embedding.name,
            embedding_off=embedding.is_off,
            error_bound=engine.rules.bound,
            questions=len(engine.entries) if is_whole else None,
            bytes=engine.entries.bytes_used if is_whole else None,
            waiting_for_judge=len(engine.grey) if is_whole else None,
            categories=[_category(row, counts, is_whole=is_whole) for row in engine.status()],
        )

    def lines(self) -> Iterator[str]:
        """Yield the state in Prometheus's text format."""
        engine, embedding = self.means.engine, self.means.embedding
        rows = engine.status()
        for name, kind, told, values in (
            ("looks_total", "counter", "Looks for a question of the same meaning.", [row.looks for row in rows]),
            ("served_total", "counter", "Looks that found one.", [row.served for row in rows]),
            ("samples_total", "counter", "Answers that were judged by generating them too.", [r.samples for r in rows]),
            ("wrong_total", "counter", "Of these, those that were wrong.", [row.wrong for row in rows]),
            ("closed", "gauge", "1 while a category is closed.", [int(row.is_closed) for row in rows]),
        ):
            yield f"# HELP narthex_cache_semantic_{name} {told}"
            yield f"# TYPE narthex_cache_semantic_{name} {kind}"
            for category, value in zip(CATEGORIES, values, strict=True):
                yield f'narthex_cache_semantic_{name}{{category="{category}"}} {value}'
        for name, told, value in (
            ("questions", "Questions that are known.", len(engine.entries)),
            ("bytes", "Bytes of them, about.", engine.entries.bytes_used),
            ("embedding_off", "1 while the embedding model is left alone as it is too slow.", int(embedding.is_off)),
        ):
            yield f"# HELP narthex_cache_semantic_{name} {told}"
            yield f"# TYPE narthex_cache_semantic_{name} gauge"
            yield f"narthex_cache_semantic_{name} {value}"
        if self.means.shared is not None:
            yield from _shared_lines(self.means.shared)


def _shared_lines(shared: SharedIndex) -> Iterator[str]:
    """Yield how what all nodes know does."""
    for name, kind, told, value in (
        ("shared_open", "gauge", "1 while what all nodes know is looked at.", int(shared.is_open)),
        ("shared_looks_total", "counter", "Looks there.", shared.looks),
        ("shared_found_total", "counter", "Looks that found what this process did not know.", shared.found),
        ("shared_late_total", "counter", "Looks that took longer than their budget.", shared.late),
    ):
        yield f"# HELP narthex_cache_semantic_{name} {told}"
        yield f"# TYPE narthex_cache_semantic_{name} {kind}"
        yield f"narthex_cache_semantic_{name} {value}"


def _category(row: CategoryStatus, counts: Counts, *, is_whole: bool) -> CategoryReport:
    looks, hits = counts.meant.get(row.category, (0, 0))
    return CategoryReport(
        category=row.category,
        looks=looks,
        hits=hits,
        closed=row.is_closed,
        least_probability=row.least_probability,
        samples=row.samples if is_whole else None,
        wrong=row.wrong if is_whole else None,
        highest_error=row.highest_error if is_whole else None,
    )
