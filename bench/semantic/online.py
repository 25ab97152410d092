"""A stream of questions: intents asked as Zipf has it, in several wordings, between others that are near."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from bench.semantic.pairs import Intent, careless, intents
from bench.semantic.vectors import vectors_of
from narthex.cache.semantic.contract import Question, SemanticHit
from narthex.cache.semantic.engine import Found, Rules, Semantic
from narthex.cache.semantic.entries import Entry
from narthex.cache.semantic.normalising import normalised
from narthex.cache.semantic.questions import category_of

SEEDS = 20
_ALPHA = 1.0
_JUDGED_EVERY = 10
"""One pair of the grey zone is judged for so many questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question, and the number of its intent."""

    question: Question
    intent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run came to."""

    asked: int
    served: int
    reworded: int
    """Of these, not the same text typed otherwise."""
    wrong: int
    closed: int


class Remembering(Semantic):
    """The semantic cache, which compares each pair of texts once: the stream repeats them, the trials repeat it."""

    compared: dict[tuple[str, str], Found] = {}  # noqa: RUF012 - shared on purpose

    def _held_against(self, question: Question, entry: Entry, cosine: float) -> Found:
        place = (question.text, entry.text)
        known = self.compared.get(place)
        if known is None:
            known = self.compared[place] = super()._held_against(question, replace(entry, correction=0.0), cosine)
        score = known.score + (entry.correction if known.features else 0.0)
        return Found(entry=entry, cosine=cosine, features=known.features, score=score, reason=known.reason)


def groups_of(of: Sequence[Intent], chance: Random) -> list[list[str]]:
    """Return the texts of each intent; every trap is an intent of its own."""
    wordings = [[*intent.wordings] for intent in of]
    wordings += [[trap] for intent in of for _, trap in intent.traps]
    return [[*texts, *(careless(text, chance) for text in texts for _ in range(3))] for texts in wordings]


def prepared() -> list[list[Asked]]:
    """Return the questions of all intents, embedded."""
    groups = groups_of(intents("pairs_test.txt"), Random(5))
    vectors = vectors_of(normalised(text) for texts in groups for text in texts)
    return [
        [
            Asked(
                intent=number,
                question=Question(
                    scope=b"s",
                    tenant="t",
                    text=text,
                    category=category_of(text),
                    principal="p",
                    namespace="n",
                    vector=vectors[text],
                ),
            )
            for text in map(normalised, texts)
        ]
        for number, texts in enumerate(groups)
    ]


def run(groups: list[list[Asked]], *, bound: float, requests: int, seed: int) -> Outcome:
    """Ask, learn on every miss, judge samples and some of the grey zone; return what it came to."""
    chance = Random(seed)
    order = chance.sample(range(len(groups)), len(groups))
    weights = list(itertools.accumulate(1 / rank**_ALPHA for rank in range(1, len(groups) + 1)))
    cache = Remembering(Rules(bound=bound, seed=b"%d" % seed))
    truth: dict[str, int] = {one.question.text: one.intent for group in groups for one in group}
    served = reworded = wrong = 0
    for number, which in enumerate(chance.choices(order, cum_weights=weights, k=requests)):
        asked = chance.choice(groups[which])
        found = cache.look(asked.question)
        if isinstance(found, SemanticHit):
            is_right = truth[found.pair.known] == asked.intent
            served, wrong = served + 1, wrong + (not is_right)
            reworded += found.pair.known.casefold().strip("?. ") != asked.question.text.casefold().strip("?. ")
            if found.is_sampled:
                cache.judged(found.pair, is_right)
        else:
            cache.learn(asked.question, b"%d" % asked.intent)
        if number % _JUDGED_EVERY == 0 and len(cache.grey):
            pair = cache.grey.take()
            cache.judged(pair, truth[pair.question] == truth[pair.known])
    closed = sum(row.is_closed for row in cache.status())
    return Outcome(asked=requests, served=served, reworded=reworded, wrong=wrong, closed=closed)


def report(requests: int, bounds: Sequence[float] = (0.005, 0.01, 0.02, 0.05)) -> Iterator[str]:
    """Return a line for each bound: how often it held, over the seeds."""
    groups = prepared()
    for bound in bounds:
        outcomes = [run(groups, bound=bound, requests=requests, seed=seed) for seed in range(SEEDS)]
        errors = [outcome.wrong / max(outcome.served, 1) for outcome in outcomes]
        held = sum(error <= bound for error in errors)
        served = float(np.mean([outcome.served / outcome.asked for outcome in outcomes]))
        reworded = float(np.mean([outcome.reworded / outcome.asked for outcome in outcomes]))
        closed = sum(outcome.closed for outcome in outcomes)
        verdict = "met" if held >= 19 else "MISSED"
        yield (
            f"  bound {bound:.1%}: held in {held} of {SEEDS} seeds ({verdict}); wrong of served {np.mean(errors):.2%}, "
            f"at worst {max(errors):.2%}; served {served:.1%}, in other words {reworded:.1%}; {closed} closed"
        )
