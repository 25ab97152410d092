"""Runs the trials of the predictive cache.

python -m bench.predictive [REQUESTS]

Sessions walk among 400 questions; what follows each is drawn with 1.4 or 3.0 bits of surprise, and 15 of 100 questions
were never asked before. Some 40 sessions go on at once. An answer is kept for 400 requests, or for 3,000. The control
is the same requests, shuffled: there is nothing to be learned from their order. Answers cost nothing but room here, so
that only the least probability and the proof by bets hold anything back. The first half of the requests is not counted.
Last it is measured on running servers whether live calls suffer from what is sent early (`predictive_live`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from random import Random
from statistics import fmean
from typing import Final, NamedTuple

from bench import predictive_live
from bench.predictive_live import Live
from narthex.cache.predictive.mind import Bounds, Mind, Prospect, Sample, Terms

INTENTS: Final = 400
NEVER_SEEN: Final = 0.15
AT_ONCE: Final = 40
MEAN_LENGTH: Final = 12
SKEW: Final = 0.7
SEEDS: Final = (101, 102, 103, 104, 105)
LOW: Final = (0.65, 0.2, 0.1, 0.05)
"""What follows a question, with 1.4 bits of surprise."""
HIGH: Final = (0.2, 0.15, 0.125, 0.125, 0.1, 0.1, 0.1, 0.05, 0.05)
"""The same with 3.0 bits."""
TERMS: Final = Terms(least=0.25, picousd_per_s=1.0)


class Request(NamedTuple):
    """A question in a session."""

    session: str
    intent: bytes


class Crowd(NamedTuple):
    """Who asks."""

    intents: int
    at_once: int


LIVE: Final = Crowd(60, 8)


class Outcome(NamedTuple):
    """What came of a run; of the second half of its requests."""

    requests: int
    hits: int
    made: int
    """Answers that were made early."""
    wasted: int
    """Those of them that nobody asked for while they were kept."""
    lookup_us: tuple[float, ...]
    """How long each question took to be learned from, and what follows it to be guessed, in order of length."""

    @property
    def hit_rate(self) -> float:
        """In per cent."""
        return 100 * self.hits / self.requests

    @property
    def wasted_percent(self) -> float:
        """For each hundred requests."""
        return 100 * self.wasted / self.requests


def requests(
    count: int, shares: tuple[float, ...], seed: int, *, shuffled: bool = False, crowd: Crowd | None = None
) -> list[Request]:
    """Return the requests of a trial; without a crowd those of the simulation."""
    found = list(_walked(count, shares, Random(seed), crowd or Crowd(INTENTS, AT_ONCE)))
    if shuffled:
        intents = [one.intent for one in found]
        Random(seed + 1).shuffle(intents)
        found = [Request(one.session, intent) for one, intent in zip(found, intents, strict=True)]
    return found


def _walked(count: int, shares: tuple[float, ...], chance: Random, crowd: Crowd) -> Iterator[Request]:
    intents, at_once = crowd
    names = [b"%d" % number for number in range(intents)]
    popularity = [1 / (rank + 1) for rank in range(intents)]
    chance.shuffle(popularity)
    # Popular ones follow oftener: so much that a cache alone answers as much as in the published simulation.
    drawn = [weight**SKEW for weight in popularity]
    follow = [chance.choices(range(intents), drawn, k=len(shares)) for _ in names]
    where: list[tuple[int, int]] = [(number, -1) for number in range(at_once)]
    begun = at_once
    for serial in range(count):
        place = chance.randrange(at_once)
        session, at = where[place]
        if at >= 0 and chance.random() < 1 / MEAN_LENGTH:
            session, at, begun = begun, -1, begun + 1
        if chance.random() < NEVER_SEEN:
            where[place] = session, at
            yield Request(str(session), b"new %d" % serial)
            continue
        at = chance.choices(range(intents), popularity)[0] if at < 0 else chance.choices(follow[at], shares)[0]
        where[place] = session, at
        yield Request(str(session), names[at])


def run(asked: list[Request], lifetime: int, *, predicts: bool) -> Outcome:
    """Answer requests from a cache whose entries end after so many requests, with or without predictions."""
    mind: Mind[None] = Mind(Bounds(max_samples=100_000, max_sample_bytes=1 << 30))
    until, early, took = dict[bytes, int](), dict[bytes, int](), list[float]()
    half, hits, made, wasted = len(asked) // 2, 0, 0, 0
    for now, (session, intent) in enumerate(asked):
        hit = until.get(intent, -1) > now
        hits += hit and now >= half
        wasted += early.pop(intent, now + 1) <= now and now >= half
        if not hit:
            until[intent] = now + lifetime
        if not predicts:
            continue
        began = time.perf_counter()
        prospects = _learned(mind, session, intent, now, lifetime)
        took.append((time.perf_counter() - began) * 1e6)
        for one in prospects:
            if mind.bet(one, now=now, is_held=lambda name: until.get(name, -1) > now):  # noqa: B023 - called at once
                until[one.intent] = early[one.intent] = now + lifetime
                mind.record("generation").sent(one.intent)
                made += now >= half
    wasted += sum(half <= end <= len(asked) for end in early.values())
    return Outcome(len(asked) - half, hits, made, wasted, tuple(sorted(took)))


def _learned(mind: Mind[None], session: str, intent: bytes, now: int, lifetime: int) -> list[Prospect[None]]:
    mind.asked(session, intent, now)
    mind.remember(intent, Sample(call=None, size_bytes=1, fresh_s=lifetime))
    return mind.prospects(session, TERMS)


def trial(
    count: int, shares: tuple[float, ...], lifetime: int, *, shuffled: bool = False
) -> tuple[float, float, float]:
    """Return the gain in points, wasted answers for a hundred requests, and the hit rate without, over all seeds."""
    gains, wasted, plain = list[float](), list[float](), list[float]()
    for seed in SEEDS:
        asked = requests(count, shares, seed, shuffled=shuffled)
        without, having = run(asked, lifetime, predicts=False), run(asked, lifetime, predicts=True)
        gains.append(having.hit_rate - without.hit_rate)
        wasted.append(having.wasted_percent)
        plain.append(without.hit_rate)
    return fmean(gains), fmean(wasted), fmean(plain)


def report(count: int) -> Iterator[str]:
    """Yield the lines of the report."""
    yield f"{count:,} requests, {len(SEEDS)} seeds; hit rate without, points gained, wasted answers per 100 requests"
    gates: list[tuple[str, bool]] = []
    for word, shares in (("1.4 bit", LOW), ("3.0 bit", HIGH)):
        for lifetime in (400, 3_000):
            gained, wasted, plain = trial(count, shares, lifetime)
            yield f"{word}, kept for {lifetime:>5}: {plain:5.1f} %  {gained:+5.1f}  {wasted:4.1f}"
            if shares is LOW and lifetime == 400:
                gates += [("+10 points on the first", gained >= 10), ("at most 5 wasted", wasted <= 5)]
            control, lost, _ = trial(count, shares, lifetime, shuffled=True)
            yield f"{'shuffled':>25}: {'':7}  {control:+5.1f}  {lost:4.1f}"
            gates.append((f"shuffled {word}, {lifetime}: at most +0.5", control <= 0.5))
    took = run(requests(count, LOW, SEEDS[0]), 400, predicts=True).lookup_us
    p99 = took[int(len(took) * 0.99)]
    yield f"learning and guessing: median {took[len(took) // 2]:.0f} µs, p99 {p99:.0f} µs"
    gates.append(("p99 at most 100 µs", p99 <= 100))
    walked = requests(predictive_live.REQUESTS, LOW, SEEDS[0], crowd=LIVE)
    for line, met in predictive_live.report([Live(one.session, one.intent.decode()) for one in walked]):
        if met is None:
            yield line
        else:
            gates.append((line, met))
    yield from (f"{'met' if met else 'MISSED'}: {gate}" for gate, met in gates)


if __name__ == "__main__":
    for line in report(int(sys.argv[1]) if len(sys.argv) > 1 else 40_000):
        print(line, flush=True)
