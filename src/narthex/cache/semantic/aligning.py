"""Which words of one question stand for which of another, and which are left over."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from narthex.cache.semantic.marks import Marks
from narthex.cache.semantic.stems import contraries, is_typo, mean_the_same, stem
from narthex.cache.semantic.words import FUNCTION

_MOST_COMPARED = 900
"""Pairs of words that are held against each other; where more are left over, two questions are not one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """The words of two questions, side by side."""

    same: int
    """Words that are one word, however it is inflected."""
    alike: int
    """Words that mean the same."""
    slips: int
    """Words that are typed badly."""
    left: tuple[str, ...]
    """What only the first has."""
    right: tuple[str, ...]
    """What only the second has."""
    is_contrary: bool
    """Whether a word that only one has has its contrary in the other alone."""


def align(one: Marks, other: Marks) -> Alignment:
    """Lay the words of two questions side by side: each stands for one other at most."""
    left, right = list(dict.fromkeys(one.content)), list(dict.fromkeys(other.content))
    same, slips, alike = _same(left, right), 0, 0
    if len(left) * len(right) <= _MOST_COMPARED:
        same += _joined(left, right) + _joined(right, left)
        slips = _take(left, right, _is_slip)
        _short(left, right)
        alike = _take(left, right, _is_alike)
    return Alignment(
        same=same, alike=alike, slips=slips, left=tuple(left), right=tuple(right), is_contrary=_is_contrary(one, other)
    )


def _is_alike(word: str, against: str) -> bool:
    return mean_the_same(word, against) and against not in contraries(word)


def _is_slip(word: str, against: str) -> bool:
    return is_typo(word, against) or is_typo(stem(word), stem(against))


def _same(left: list[str], right: list[str]) -> int:
    """Take out of both the words that are one word, by their stems; return how many did."""
    by_stem: dict[str, list[str]] = {}
    for word in reversed(right):
        by_stem.setdefault(stem(word), []).append(word)
    taken = 0
    for word in tuple(left):
        found = by_stem.get(stem(word))
        if found:
            left.remove(word)
            right.remove(found.pop())
            taken += 1
    return taken


def _take(left: list[str], right: list[str], is_one: Callable[[str, str], bool]) -> int:
    """Take out of both what belongs together; return how many words did."""
    taken = 0
    for word in tuple(left):
        found = next((against for against in right if is_one(word, against)), None)
        if found is not None:
            left.remove(word)
            right.remove(found)
            taken += 1
    return taken


def _is_contrary(one: Marks, other: Marks) -> bool:
    """Tell whether a word of only one question has its contrary in only the other, be it a small word: on, off."""
    left = [word for word in one.tokens if stem(word) not in other.stems]
    right = {word for word in other.tokens if stem(word) not in one.stems}
    right |= {stem(word) for word in right}
    return any(not right.isdisjoint(contraries(word)) or _has_denied(word, right) for word in left) or any(
        _has_denied(word, {form for found in left for form in (found, stem(found))}) for word in right
    )


def _has_denied(word: str, others: set[str]) -> bool:
    """Tell whether the same word with a denying prefix is among others: "suitable", "unsuitable"."""
    return any(f"{prefix}{form}" in others for form in (word, stem(word)) for prefix in _DENYING)


_DENYING = ("un", "non-", "non", "in", "im", "ir", "dis", "il", "de", "re-", "anti-", "anti", "mis", "pre-", "post-")


def _joined(whole: list[str], parted: list[str]) -> int:
    """Take out words that one writes as one and the other as two: "check-in" and "check in", "website", "web site"."""
    taken = 0
    for word in tuple(whole):
        parts = [part for part in word.split("-") if part not in FUNCTION] if "-" in word else []
        plain = word.replace("-", "")
        pair = next((pair for pair in itertools.pairwise(parted) if "".join(pair).replace("-", "") == plain), ())
        single = next(
            (against for against in parted if "-" in word + against and against.replace("-", "") == plain), None
        )
        found = list(pair) or ([single] if single is not None else parts)
        # A word that repeats itself, as "bye-bye" does, is not made up of one that stands there once.
        if found and all(parted.count(part) >= found.count(part) for part in found):
            whole.remove(word)
            for part in found:
                parted.remove(part)
            taken += 1
    return taken


def _short(left: list[str], right: list[str]) -> None:
    """Take out initials and the words they stand for: "PR" and "pull request"."""
    for whole, brief in ((left, right), (right, left)):
        for word in tuple(brief):
            if not 2 <= len(word) <= 5:
                continue
            for number in range(len(whole) - len(word) + 1):
                if "".join(part[0] for part in whole[number : number + len(word)]) == word:
                    del whole[number : number + len(word)]
                    brief.remove(word)
                    break
