"""Pairs of questions whose answer is known to be the same or another: written for this, and varied by rules.

Wordings are divided by intent: what is tuned on an intent is never tried on it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Two questions, and whether one answer does for both."""

    one: str
    other: str
    same: bool
    kind: str
    intent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One question in several wordings, and others that are near."""

    number: int
    wordings: tuple[str, ...]
    traps: tuple[tuple[str, str], ...]
    """Kinds of difference and texts."""


def intents(name: str) -> list[Intent]:
    """Read a file of intents."""
    found: list[Intent] = []
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("= "):
            wordings = tuple(part.strip() for part in line[2:].split("|"))
            found.append(Intent(number=len(found), wordings=wordings, traps=()))
        elif line.startswith("! "):
            kind, *texts = (part.strip() for part in line[2:].split("|"))
            last = found[-1]
            traps = (*last.traps, *((kind, text) for text in texts))
            found[-1] = Intent(number=last.number, wordings=last.wordings, traps=traps)
    return found


def pairs(of: list[Intent], *, seed: int = 1) -> list[Labelled]:
    """Return pairs of wordings, of careless repetitions, and of traps, in both directions."""
    chance = Random(seed)
    found: list[Labelled] = []
    for intent in of:
        found += _same(intent, chance)
        found += _other(intent, chance)
    return found


def _same(intent: Intent, chance: Random) -> Iterator[Labelled]:
    for wordings in itertools.combinations(intent.wordings, 2):
        one, other = wordings if chance.random() < 0.5 else wordings[::-1]
        yield Labelled(one=one, other=other, same=True, kind="paraphrase", intent=intent.number)
    for text in intent.wordings[:3]:
        yield Labelled(one=text, other=careless(text, chance), same=True, kind="repeat", intent=intent.number)


def _other(intent: Intent, chance: Random) -> Iterator[Labelled]:
    for kind, trap in intent.traps:
        for one in (intent.wordings[0], chance.choice(intent.wordings[1:])):
            first, second = (one, trap) if chance.random() < 0.5 else (trap, one)
            yield Labelled(one=first, other=second, same=False, kind=kind, intent=intent.number)


_BEFORE = ("Hi, ", "hello! ", "hey, ", "please tell me: ", "Quick question: ", "um ", "so ", "Good morning, ", "")
_AFTER = (" please", " thanks!", "??", " ?", "", " thank you", " cheers", ".")


def careless(text: str, chance: Random) -> str:
    """Return the same question as it is typed in a hurry."""
    said = text.rstrip("?.! ")
    if chance.random() < 0.4:
        said = said.lower()
    if chance.random() < 0.35:
        said = _slipped(said, chance)
    before = chance.choice(_BEFORE)
    said = said[0].lower() + said[1:] if before and said[1:2].islower() else said
    return before + said + chance.choice(_AFTER)


def _slipped(text: str, chance: Random) -> str:
    """Return a text with one slip of the fingers inside one of its long words."""
    words = text.split(" ")
    long = [number for number, word in enumerate(words) if len(word) >= 6 and word.isalpha() and word.islower()]
    if not long:
        return text
    number = chance.choice(long)
    word, place = words[number], chance.randrange(1, 4)
    words[number] = (
        word[:place] + word[place + 1] + word[place] + word[place + 2 :]
        if chance.random() < 0.5
        else word[:place] + word[place + 1 :]
    )
    return " ".join(words)


def read(path: Path) -> list[Labelled]:
    """Read pairs of one's own: JSON lines with `a`, `b`, `same_answer` and, if known, `category`."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [
        Labelled(one=row["a"], other=row["b"], same=row["same_answer"], kind=row.get("category", ""), intent=number)
        for number, row in enumerate(rows)
    ]
