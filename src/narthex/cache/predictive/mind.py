"""All that is known of what one principal asks, bounded in memory."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec

from narthex.cache.predictive.record import Record
from narthex.cache.predictive.sequences import ORDER, Guess, Intent, Sequences
from narthex.cache.predictive.worth import least_probability
from narthex.config.cache_settings import Rung

T = TypeVar("T")
MAX_SESSIONS: Final = 256
SESSION_S: Final = 1_800.0
"""After so long without a question a session is over."""
_MOST_TRIED: Final = 4


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How much is remembered of one principal."""

    max_contexts: int = 4_096
    max_samples: int = 1_024
    """Questions that are known as they were asked."""
    max_sample_bytes: int = 2_097_152
    """All of these together."""


class Sample(msgspec.Struct, Generic[T], kw_only=True):
    """A question as it was asked last."""

    call: T
    """What asks it again."""
    size_bytes: int
    picousd: int = 0
    """What its answer cost."""
    took_s: float = 0.0
    """How long it took."""
    fresh_s: float = 0.0
    """For how long that is given again."""
    prefix: bytes = b""
    """Tells its beginning from others, if its provider keeps that; empty for one that none is known to keep."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """When it pays to have an answer made early."""

    least: float
    """Probability below which nothing is predicted, whatever it costs."""
    picousd_per_s: float
    """What a second of waiting is worth."""


class Prospect(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A question that is likely to be asked next."""

    intent: Intent
    probability: float
    needed: float
    """The probability from which on it pays."""
    sample: Sample[T] | None
    """None where it is not known any more how it was asked, or it may not be asked without being asked for."""
    least: float = 0.0
    """The probability from which on it pays where it costs nothing."""

    @property
    def pays(self) -> bool:
        """Whether it is likely enough to have it answered."""
        return self.sample is not None and self.probability > self.needed

    def needed_by(self, rung: Rung) -> float:
        """Return the probability from which on a rung pays."""
        return self.least if rung == "retrieval" else self.needed


class _Session(msgspec.Struct):
    at: float
    past: deque[Intent]


class Mind(Generic[T]):
    """What one principal asks.

    Attributes:
        sequences: What follows what.
        records: Whether that comes true, by what was done for it.
    """

    def __init__(self, bounds: Bounds) -> None:
        """Know nothing yet."""
        self.sequences = Sequences(max_contexts=bounds.max_contexts)
        self.records: dict[Rung, Record] = {}
        self._bounds = bounds
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._samples: OrderedDict[Intent, Sample[T]] = OrderedDict()
        self._sample_bytes = 0
        self._seen: OrderedDict[Intent, None] = OrderedDict()

    @property
    def sessions(self) -> int:
        """How many sessions are remembered."""
        return len(self._sessions)

    @property
    def sample_bytes(self) -> int:
        """What the questions take up that are known as they were asked."""
        return self._sample_bytes

    def asked(self, session: str, intent: Intent, now: float) -> bool:
        """Learn from a question; return whether its answer had been made early."""
        known = self._sessions.pop(session, None)
        if known is None or now - known.at > SESSION_S:
            known = _Session(now, deque(maxlen=ORDER))
        # What was never asked before tells nothing of what follows it, and who asks the same again goes nowhere.
        if self._seen_before(intent) and (not known.past or known.past[-1] != intent):
            self.sequences.learn(tuple(known.past), intent)
            known.past.append(intent)
        known.at = now
        self._sessions[session] = known
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return self._asked(intent, now)

    def record(self, rung: Rung) -> Record:
        """Return the bets of a rung."""
        found = self.records.get(rung)
        if found is None:
            found = self.records[rung] = Record()
        return found

    def _asked(self, intent: Intent, now: float) -> bool:
        was_made = False
        for rung, record in self.records.items():
            # What was brought up would have been found all the same.
            was_made |= record.asked(intent, now=now) and rung != "retrieval"
        return was_made

    def _seen_before(self, intent: Intent) -> bool:
        if intent in self._seen:
            self._seen.move_to_end(intent)
            return True
        self._seen[intent] = None
        if len(self._seen) > self._bounds.max_contexts:
            self._seen.popitem(last=False)
        return False

    def remember(self, intent: Intent, sample: Sample[T]) -> None:
        """Remember how a question was asked; what its answer cost is kept until that is known anew."""
        before = self._drop(intent)
        if sample.size_bytes > self._bounds.max_sample_bytes // 8:
            return
        if before is not None and not sample.took_s:
            sample.picousd, sample.took_s, sample.prefix = before.picousd, before.took_s, before.prefix
        self._samples[intent] = sample
        self._sample_bytes += sample.size_bytes
        while len(self._samples) > self._bounds.max_samples or self._sample_bytes > self._bounds.max_sample_bytes:
            self._drop(next(iter(self._samples)))

    def sample(self, intent: Intent) -> Sample[T] | None:
        """Return how a question was asked last, if that is known."""
        return self._samples.get(intent)

    def prospects(self, session: str, terms: Terms, *, most: int = 3) -> list[Prospect[T]]:
        """Return what is likely to be asked next in a session, the likeliest first."""
        known = self._sessions.get(session)
        if known is None:
            return []
        guesses = self.sequences.guesses(tuple(known.past), most=min(most, _MOST_TRIED))
        return [self._prospect(guess, terms) for guess in guesses if guess.probability >= terms.least]

    def bet(
        self, prospect: Prospect[T], *, now: float, is_held: Callable[[Intent], bool], rung: Rung = "generation"
    ) -> bool:
        """Bet on what pays, if there is no answer yet; return whether it is proved that the rung should be taken."""
        sample, needed = prospect.sample, prospect.needed_by(rung)
        if sample is None or prospect.probability <= needed or is_held(prospect.intent):
            return False
        record = self.record(rung)
        record.bet(prospect.intent, now=now, until=now + sample.fresh_s)
        return record.proved > needed

    def _prospect(self, guess: Guess, terms: Terms) -> Prospect[T]:
        sample = self._samples.get(guess.intent)
        needed = terms.least
        if sample is not None:
            value = sample.took_s * terms.picousd_per_s
            needed = max(needed, least_probability(cost=sample.picousd, value=value))
        return Prospect(
            intent=guess.intent, probability=guess.probability, needed=needed, sample=sample, least=terms.least
        )

    def _drop(self, intent: Intent) -> Sample[T] | None:
        gone = self._samples.pop(intent, None)
        if gone is not None:
            self._sample_bytes -= gone.size_bytes
        return gone
