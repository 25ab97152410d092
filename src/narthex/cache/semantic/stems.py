"""Words as their stems, and words that mean the same or the contrary."""

from __future__ import annotations

import re
from functools import lru_cache

from narthex.cache.semantic.meanings import ANTONYMS, SYNONYMS

_IRREGULAR = {
    "bought": "buy",
    "sold": "sell",
    "paid": "pay",
    "sent": "send",
    "lost": "lose",
    "found": "find",
    "children": "child",
    "men": "man",
    "women": "woman",
    "feet": "foot",
    "broke": "break",
    "broken": "break",
    "wrote": "write",
    "written": "write",
    "made": "make",
    "got": "get",
    "left": "leave",
    "gave": "give",
    "given": "give",
    "took": "take",
    "taken": "take",
    "went": "go",
    "died": "die",
    "dying": "die",
    "data": "data",
    "news": "news",
    "us": "us",
}
_ENDINGS = (
    (re.compile(r"(?:ies|ied)$"), "y"),
    (re.compile(r"(?<=ss)es$|(?<=sh)es$|(?<=ch)es$|(?<=x)es$"), ""),
    (re.compile(r"(?<=[^su])s$"), ""),
    (
        re.compile(r"(?<=[aeiouy][^aeiouy])(?:ing|ed)$|(?<=[^aeiou]{2})(?:ing|ed)$|(?<=[aeiou]{2}[^aeiou])(?:ing|ed)$"),
        "",
    ),
    (re.compile(r"ly$"), ""),
)


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Return a word without the endings that its grammar gives it."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 3 or not word.isascii():
        return word
    for ending, instead in _ENDINGS:
        shorter = ending.sub(instead, word)
        if len(shorter) >= 3:
            word = shorter
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "sleo":
        word = word[:-1]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


_MEANINGS: dict[str, frozenset[int]] = {}
for _number, _group in enumerate(SYNONYMS):
    for _word in _group:
        for _form in (_word, stem(_word)):
            _MEANINGS[_form] = _MEANINGS.get(_form, frozenset()) | {_number}

_CONTRARIES: dict[str, frozenset[str]] = {}
for _one, _other in ANTONYMS:
    for _words, _against in ((_one, _other), (_other, _one)):
        for _form in {*_words, *map(stem, _words)}:
            _CONTRARIES[_form] = _CONTRARIES.get(_form, frozenset()) | frozenset(_against) | set(map(stem, _against))


def mean_the_same(one: str, other: str) -> bool:
    """Tell whether two words stand in one group of synonyms."""
    first = _MEANINGS.get(one) or _MEANINGS.get(stem(one))
    second = _MEANINGS.get(other) or _MEANINGS.get(stem(other))
    return bool(first and second and first & second)


def contraries(word: str) -> frozenset[str]:
    """Return the words that say the contrary of one."""
    return _CONTRARIES.get(word) or _CONTRARIES.get(stem(word), frozenset())


_LOOK_ALIKE = {
    frozenset(pair.split())
    for pair in (
        "trial trail",
        "casual causal",
        "angel angle",
        "diary dairy",
        "quiet quite",
        "united untied",
        "unite untie",
        "scared sacred",
        "calvary cavalry",
        "marital martial",
        "desert dessert",
        "later latter",
        "costume custom",
        "moral morale",
        "human humane",
        "local locale",
        "canvas canvass",
        "career carer",
        "through though",
        "thought though",
        "planet plant",
        "planner planer",
        "dinner diner",
        "breath breathe",
        "ration oration",
        "message massage",
        "cancel chancel",
        "patient patent",
        "parking packing",
        "baking banking",
        "country county",
        "friend fiend",
        "factory factor",
        "border boarder",
        "caution cation",
        "billion bullion",
        "sliver silver",
        "board broad",
        "bored board",
    )
}
"""Words that one slip makes of each other."""


@lru_cache(maxsize=20_000)
def is_typo(one: str, other: str) -> bool:
    """Tell whether two long words differ by one slip of the fingers: a letter too many, missing or swapped.

    A letter in place of another is none: "Austria" has its own, and so has "form" beside "farm".
    """
    if (
        abs(len(one) - len(other)) > 1
        or one[0] != other[0]
        or min(len(one), len(other)) < 5
        or frozenset({one, other}) in _LOOK_ALIKE
    ):
        return False
    if len(one) == len(other):
        wrong = [number for number in range(len(one)) if one[number] != other[number]]
        return (
            len(wrong) == 2
            and wrong[1] == wrong[0] + 1
            and one[wrong[0]] == other[wrong[1]]
            and one[wrong[1]] == other[wrong[0]]
        )
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    at = next((number for number in range(len(shorter)) if shorter[number] != longer[number]), len(shorter))
    return at < len(shorter) and longer[at + 1 :] == shorter[at:] and longer[at] != "s"
