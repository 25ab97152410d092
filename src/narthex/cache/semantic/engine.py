"""Finds an answer that was given to the same question in other words, or holds it back and says why."""

from __future__ import annotations

import logging
import math
import secrets
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from narthex.cache.semantic.admission import Sharing, may_serve, sighted
from narthex.cache.semantic.aliases import Aliases, GreyZone
from narthex.cache.semantic.aligning import align
from narthex.cache.semantic.bounds import ErrorBound
from narthex.cache.semantic.contract import CATEGORIES, Category, Held, Judge, Near, Pair, Question, SemanticHit
from narthex.cache.semantic.decisions import Decision, below
from narthex.cache.semantic.embedding import cosine as cosine_of
from narthex.cache.semantic.entries import Entries, Entry
from narthex.cache.semantic.features import features_of
from narthex.cache.semantic.guards import objection
from narthex.cache.semantic.sampling import Sampling
from narthex.cache.semantic.shared import SharedQuestion
from narthex.cache.semantic.thresholds import Thresholds, correction
from narthex.cache.semantic.vectors import EXACT_LIMIT
from narthex.cache.semantic.verifier import Verifier, probability, shipped
from narthex.config.cache_settings import SemanticSettings

_log = logging.getLogger(__name__)
_LOOKED_AT = 8
"""Nearest entries that guards and verifier look at."""
_LEAST_COSINE = 0.5
_CERTAIN = 12.0
"""Score of the same text, typed otherwise: nothing is left for the verifier to doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the semantic cache works; see `[cache.semantic]` of the settings."""

    bound: float = 0.02
    """Largest share of served answers that may be wrong, in each category."""
    sharing: Sharing = "sighted"
    sampled: float = 0.02
    """Share of hits that are also generated and compared."""
    max_entries: int = 100_000
    max_bytes: int = 512 * 1024 * 1024
    exact_limit: int = EXACT_LIMIT
    is_frozen: bool = False
    """Whether verdicts change nothing: thresholds, corrections and aliases stay as they are."""
    seed: bytes = b""
    """Makes the same choice of samples again; empty for a secret one."""
    prior_weight: float = 1.0
    """What one of training's pairs counts for beside one that is judged."""

    @classmethod
    def of(cls, settings: SemanticSettings) -> Rules:
        """Return the rules that settings ask for."""
        return cls(
            bound=settings.error_bound_percent / 100,
            sharing=settings.sharing,
            sampled=settings.sampled_percent / 100,
            max_entries=settings.max_entries,
            max_bytes=settings.max_bytes,
            is_frozen=settings.frozen,
        )


class CategoryStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one category."""

    category: Category
    is_closed: bool
    least_probability: float | None
    """The verifier's probability from which on it serves; None where it serves none."""
    looks: int
    served: int
    samples: int
    """Hits that were also generated, and judged."""
    wrong: int
    highest_error: float
    """Upper bound of the share of wrong answers, at 95 %."""


class Found(msgspec.Struct, kw_only=True):
    """An entry beside the question, and what the guards and the verifier say of the two."""

    entry: Entry
    cosine: float
    features: tuple[float, ...]
    score: float
    reason: Held | None


class Semantic:
    """The semantic cache of one process.

    Everything here is quick and waits for nothing: embedding and judging are the caller's.
    """

    def __init__(self, rules: Rules | None = None, *, verifier: Verifier | None = None) -> None:
        """Begin empty.

        Raises:
            ConfigError: numpy is not installed.
        """
        self.rules = rules or Rules()
        self.entries = Entries(
            most=self.rules.max_entries, most_bytes=self.rules.max_bytes, exact_limit=self.rules.exact_limit
        )
        self.aliases = Aliases()
        self.grey = GreyZone()
        self.decisions: deque[Decision] = deque(maxlen=2_000)
        self._verifier = verifier or shipped()
        self._thresholds = Thresholds(
            self._verifier.weights.bins, bound=self.rules.bound, weight=self.rules.prior_weight
        )
        self._bounds = {category: ErrorBound(self.rules.bound) for category in CATEGORIES}
        self._closed: set[Category] = set()
        self._asked = dict.fromkeys(CATEGORIES, 0)
        self._served = dict.fromkeys(CATEGORIES, 0)
        self._sampling = Sampling(self.rules.sampled, seed=self.rules.seed or secrets.token_bytes(16))
        self._looks = 0
        self.when_vouched: Callable[[Entry], None] | None = None
        """Told of each entry that a second principal asked word for word."""

    def look(self, question: Question, *, again: bool = False) -> SemanticHit | Near | None:
        """Find the entry that answers a question.

        Args:
            question: With its vector, if it has one in time.
            again: Whether it was looked for already, and more is known now; it counts once.

        Returns:
            A hit; the nearest entry and why it is held back; or None where nothing is near. Without a vector only an
            entry with the same text, typed otherwise, is found.
        """
        if not again:
            self._looks += 1
            self._asked[question.category] += 1
        alias = self._alias(question)
        if alias is not None:
            return alias
        found = self._best(question)
        if found is None:
            return None
        if found.reason is None:
            self._thresholds.saw(question.category, found.score)
            found.reason = self._doubt(found, question)
        return self._answer(question, found)

    def learn(self, question: Question, key: bytes) -> None:
        """Keep a question whose answer was stored under a key; the answer was complete and passed every guard."""
        entry = self.entries.put(question, key)
        if entry.key == key:
            self._sighted(entry, question.principal)

    def adopt(self, question: Question, found: Iterable[SharedQuestion]) -> bool:
        """Take in what other processes know near a question; tell whether a look may find more than before."""
        is_more = False
        for one in found:
            is_ours = (one.tenant, one.scope) == (question.tenant, question.scope)
            if not is_ours or cosine_of(one.vector, question.vector or b"") < _LEAST_COSINE:
                continue
            learned = Question(
                scope=one.scope,
                tenant=one.tenant,
                text=one.text,
                category=question.category,
                principal=one.principal,
                namespace=question.namespace,
                vector=one.vector,
            )
            is_more |= self.entries.adopt(learned, one.key, is_sighted=one.is_sighted)
        return is_more

    def met(self, key: bytes, principal: str | None) -> bool:
        """Take note that the answer under a key was given to someone who asked its question word for word.

        False where that question is not known: it may be learned.
        """
        known = self.entries.of_key(key)
        for entry in known:
            self._sighted(entry, principal)
        return bool(known)

    def _sighted(self, entry: Entry, principal: str | None) -> None:
        if sighted(entry, principal) and self.when_vouched is not None:
            self.when_vouched(entry)

    def forget(self, key: bytes) -> None:
        """Drop what leads to an answer that is gone."""
        for entry in self.entries.of_key(key):
            self.entries.drop(entry)

    def clear(self) -> None:
        """Drop all entries; what was learned of categories stays."""
        for entry in list(self.entries):
            self.entries.drop(entry)

    def judged(self, pair: Pair, same: bool) -> None:
        """Take a verdict on a pair: of a sampled hit, or of one that waited in the grey zone."""
        if pair.was_served:
            self._watch(pair, same=same)
        if self.rules.is_frozen:
            return
        if not (pair.was_served and same):
            self.aliases.judged(pair, same=same)
        if not pair.features:  # an alias: nothing was scored
            return
        self._thresholds.judged(pair.category, pair.score, same=same)
        entry = self.entries.get(pair.entry)
        if entry is not None:
            entry.remember(pair.score - entry.correction, same=same)
            entry.correction = correction(entry.judgements)

    async def judge_next(self, judge: Judge) -> bool:
        """Have one pair of the grey zone judged; False where none waits. Not on a request's path."""
        return await self.grey.judge_next(judge, self.judged)

    def reopen(self, category: Category) -> None:
        """Serve a category again that was closed; its samples are counted anew."""
        self._closed.discard(category)
        self._bounds[category] = ErrorBound(self.rules.bound)
        _log.info("semantic cache: category %s is open again", category)

    def status(self) -> list[CategoryStatus]:
        """Return what is known of each category."""
        return [self._status(category) for category in CATEGORIES]

    def _status(self, category: Category) -> CategoryStatus:
        bound, least = self._bounds[category], self._thresholds.least(category)
        return CategoryStatus(
            category=category,
            is_closed=category in self._closed,
            least_probability=None if math.isinf(least) and least > 0 else probability(least),
            looks=self._asked[category],
            served=self._served[category],
            samples=bound.samples,
            wrong=bound.wrong,
            highest_error=bound.highest,
        )

    def _alias(self, question: Question) -> SemanticHit | None:
        number = self.aliases.entry_of(question.scope, question.text)
        entry = self.entries.get(number) if number is not None else None
        if entry is None or question.category in self._closed or not may_serve(entry, question, self.rules.sharing):
            return None
        found = Found(entry=entry, cosine=1.0, features=(), score=math.inf, reason=None)
        return self._hit(question, found, is_alias=True)

    def _best(self, question: Question) -> Found | None:
        """Return the entry that is likeliest the same; where guards object to all, the nearest of them."""
        best: Found | None = None
        for entry, cosine in self._near(question):
            found = self._held_against(question, entry, cosine)
            if best is None or (found.reason is None, found.score) > (best.reason is None, best.score):
                best = found
        return best

    def _near(self, question: Question) -> list[tuple[Entry, float]]:
        same = self.entries.same_text(question)
        near = [pair for pair in self.entries.nearest(question, _LOOKED_AT) if pair[1] >= _LEAST_COSINE]
        return near if same is None else [(same, 1.0), *(pair for pair in near if pair[0] is not same)]

    def _held_against(self, question: Question, entry: Entry, cosine: float) -> Found:
        alignment = align(question.marks, entry.marks)
        reason: Held | None = objection(question.marks, entry.marks, alignment)
        if reason is None and not may_serve(entry, question, self.rules.sharing):
            reason = "unadmitted"
        if reason is not None:
            return Found(entry=entry, cosine=cosine, features=(), score=cosine, reason=reason)
        features = features_of(question.marks, entry.marks, cosine=cosine, alignment=alignment)
        is_same = question.marks.folded == entry.marks.folded
        score = _CERTAIN if is_same else self._verifier.score(features) + entry.correction
        return Found(entry=entry, cosine=cosine, features=features, score=score, reason=None)

    def _doubt(self, found: Found, question: Question) -> Held | None:
        """Return why a pair that no guard objects to is not served all the same."""
        if question.category in self._closed:
            return "closed"
        if self.aliases.is_refused(self._pair(question, found, was_served=False)):
            return "judged"
        least = min(self._thresholds.least(question.category), _CERTAIN)
        if found.score >= least:
            return None
        return "unsure" if below(found.score, least) == "unsure" else "unlikely"

    def _answer(self, question: Question, found: Found) -> SemanticHit | Near:
        if found.reason is None:
            return self._hit(question, found, is_alias=False)
        pair = self._pair(question, found, was_served=False)
        if found.reason == "unsure":
            self.grey.put(pair)
        self._log(question, found, found.reason)
        return Near(
            key=found.entry.key,
            similarity=found.cosine,
            confidence=probability(found.score) if found.features else 0.0,
            pair=pair,
            reason=found.reason,
        )

    def _hit(self, question: Question, found: Found, *, is_alias: bool) -> SemanticHit:
        self.entries.used(found.entry)
        self._served[question.category] += 1
        self._log(question, found, "alias" if is_alias else "hit")
        return SemanticHit(
            key=found.entry.key,
            similarity=found.cosine,
            confidence=probability(found.score),
            pair=self._pair(question, found, was_served=True),
            is_alias=is_alias,
            is_sampled=self._sampling.is_chosen(self._looks),
        )

    @staticmethod
    def _pair(question: Question, found: Found, *, was_served: bool) -> Pair:
        return Pair(
            entry=found.entry.number,
            scope=question.scope,
            question=question.text,
            known=found.entry.text,
            category=question.category,
            score=found.score,
            was_served=was_served,
            features=found.features,
        )

    def _log(self, question: Question, found: Found, outcome: str) -> None:
        decision = Decision(
            number=self._looks,
            category=question.category,
            entry=found.entry.number,
            similarity=found.cosine,
            features=found.features,
            correction=found.entry.correction,
            least=_finite(min(self._thresholds.least(question.category), _CERTAIN)),
            outcome=outcome,
        )
        self.decisions.append(decision)

    def _watch(self, pair: Pair, *, same: bool) -> None:
        """Count a sample of what was served; close the category once it is wrong too often."""
        bound = self._bounds[pair.category]
        bound.judged(wrong=not same)
        if bound.is_crossed and pair.category not in self._closed:
            self._closed.add(pair.category)
            _log.warning(
                "semantic cache: category %s is closed: %d of %d sampled answers were wrong, more than the bound of %g "
                "allows; it asks the model from now on, until it is reopened",
                pair.category,
                bound.wrong,
                bound.samples,
                bound.bound,
            )


def _finite(least: float) -> float | None:
    """Return a threshold as the log has it: None where nothing is served, and the least number for no threshold."""
    if math.isinf(least):
        return None if least > 0 else -1e9
    return least
