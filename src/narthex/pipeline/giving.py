"""Gives what is in the cache: with the headers that tell where it comes from, and counted."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final, NamedTuple

from narthex.cache.directives import Directives
from narthex.cache.entries import Entry
from narthex.cache.figures import HitKind, MissReason
from narthex.cache.leases import Turn
from narthex.cache.store import MEMORY, Cache, Found
from narthex.errors import NarthexError, ProviderError
from narthex.pipeline.answers import may_be_answered
from narthex.pipeline.cache_terms import Terms
from narthex.pipeline.cached_answers import Unfit, give
from narthex.pipeline.exchange import Exchange, word_of
from narthex.pipeline.same_meaning import Alike, SameMeaning
from narthex.streams.throttle import Pace

logger = logging.getLogger(__name__)

Headers = tuple[tuple[str, str], ...]

_WORDS: Final[Mapping[HitKind, str]] = {"joined": "JOINED", "semantic": "SEMANTIC HIT", "similar": "SEMANTIC HIT"}
_HOW: Final[Mapping[HitKind, str]] = {
    # What a call went out for, in vain, is no hit: https://www.rfc-editor.org/rfc/rfc9211#section-2.2
    "error": "fwd=stale; ttl={}; detail=stale-if-error",
    "semantic": "hit; ttl={}; detail=semantic",
    "similar": "fwd=uri-miss; ttl={}; detail=similar",
}
_OF_A_MISS: Final = frozenset({"x-narthex-cache", "cache-status"})


class Missed(NamedTuple):
    """A call for which nothing was found that may be given."""

    terms: Terms
    why: MissReason
    found: Found | None
    """What is too old to be given, but in place of an error."""
    turn: Turn | None
    """Whose turn it is to ask; None where everybody does."""
    alike: Alike | None = None
    """What came of the look for a question of the same meaning; None where there was none."""


class Giving:
    """Gives entries."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def give(self, exchange: Exchange, found: Found, kind: HitKind, alike: Alike | None = None) -> None:
        """Make an entry the answer to a call.

        Args:
            exchange: The call.
            found: The entry.
            kind: How it comes to be given.
            alike: How near its question is, if it is another one.

        Raises:
            NarthexError: It cannot be written in the form that the call asks for.
            Unfit: It is damaged.
        """
        entry = found.entry
        found.held.uses += 1
        error = exchange.instead_of if kind == "similar" else None
        give(exchange, found.held, kind, None if error is None else {"fallback": "similar", "after": word_of(error)})
        exchange.told = (*exchange.told, *_told(found, kind), *_similarity(alike, error))
        self._cache.figures.hit(
            kind,
            input_tokens=entry.input_tokens,
            output_tokens=entry.output_tokens,
            picousd=entry.cost_picousd,
            scope=entry.scope,
            tier=found.tier,
        )

    def is_given(self, exchange: Exchange, found: Found, kind: HitKind, alike: Alike | None = None) -> bool:
        """Give an entry; False, and it is gone, if it cannot be read or written in the form that is asked for."""
        try:
            self.give(exchange, found, kind, alike)
        except (Unfit, NarthexError) as error:
            logger.warning("an entry of the cache is given up: %s", error)
            exchange.hit = None
            self._cache.forget([found.entry.key])
            return False
        return True

    def is_given_too(self, exchange: Exchange, found: Found, said: Directives) -> bool:
        """Give what the same call was answered; False if that is too old for this one, or cannot be given."""
        if against(found, said) is not None:
            return False
        told = exchange.told
        exchange.told = without_miss(told)
        if self.is_given(exchange, found, "joined"):
            return True
        exchange.told = told
        return False

    async def stands_in(
        self, exchange: Exchange, missed: Missed, error: ProviderError, *, meaning: SameMeaning | None, before: Headers
    ) -> bool:
        """Give what is kept in place of an error: an old answer, or a similar question's; False if there is none.

        Args:
            exchange: The call.
            missed: What was found of it.
            error: Why it has no answer.
            meaning: Knows similar questions.
            before: The headers that it had before it went out.
        """
        told, alike, old = exchange.told, missed.alike, self._old(missed)
        exchange.told, exchange.instead_of = before, error
        if old is not None and self.is_given(exchange, old, "error"):
            return True
        if meaning is not None and alike is not None and may_be_answered(exchange, error):
            similar = await meaning.instead(exchange, missed.terms, alike.near)
            if similar is not None and self.is_given(exchange, similar, "similar", alike):
                return True
        exchange.told, exchange.instead_of = told, None
        return False

    def _old(self, missed: Missed) -> Found | None:
        """Return the answer that was too old to be given; None if there was none, or it was let go of meanwhile."""
        found = None if missed.found is None else self._cache.find(missed.terms.key)
        return found if isinstance(found, Found) and found.entry.error_ms else None


def against(found: Found, said: Directives) -> MissReason | None:
    """Return why an entry may not be given to a call that says this; None if it may."""
    age_ms, fresh_ms = found.age_ms, found.entry.fresh_ms
    if said.max_age_s is not None and age_ms > said.max_age_s * 1_000:
        return "too old"
    if said.min_fresh_s is not None and fresh_ms - age_ms < said.min_fresh_s * 1_000:
        return "too old"
    if found.standing == "fresh" or (found.standing == "stale" and said.max_age_s is None):
        return None
    stale_s = (age_ms - fresh_ms) / 1_000
    return None if said.max_stale_s is not None and stale_s <= said.max_stale_s else "expired"


def without_miss(told: Headers) -> Headers:
    """Return the headers of a call without those that say that it was not answered from the cache."""
    return tuple(one for one in told if one[0] not in _OF_A_MISS)


def pace_of(entry: Entry) -> Pace | None:
    """Return how fast an answer was written, on average; None if that is not known."""
    if not entry.took_ms or not entry.output_tokens:
        return None
    return Pace(tokens_per_s=entry.output_tokens * 1_000 / entry.took_ms)


def _told(found: Found, kind: HitKind) -> Headers:
    """Return the headers of an answer from the cache (https://www.rfc-editor.org/rfc/rfc9211)."""
    held, _, tier, age_ms = found
    left_s = (held.entry.fresh_ms - age_ms) // 1_000
    how = _HOW.get(kind)
    if how is None:
        how = f"hit; ttl={left_s}" if tier == MEMORY else f"hit; ttl={left_s}; detail={tier}"
    else:
        how = how.format(left_s)
    return (
        ("x-narthex-cache", _WORDS.get(kind, "HIT")),
        ("cache-status", f"narthex; {how}"),
        ("age", str(age_ms // 1_000 if age_ms > 0 else 0)),
    )


def _similarity(alike: Alike | None, error: NarthexError | None) -> Headers:
    """Return the headers that tell of another question's answer how near that is, and what it stands in for."""
    if alike is None or alike.similarity is None:
        return ()
    told = ("x-narthex-cache-similarity", f"{alike.similarity:.4f}")
    return (told,) if error is None else (told, ("x-narthex-fallback", "similar"))
