"""The one form of a question: what is said for politeness, and how it is typed, makes no difference."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from narthex.cache.semantic.words import CLOSERS, CLOSINGS, OPENERS, OPENINGS


def _either(phrases: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, phrases), key=len, reverse=True))


_QUOTES = str.maketrans(
    {"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "–": "-", "—": "-", "−": "-"}
)
_SPACE = re.compile(r"\s+")
_END = re.compile(r"[\s.!?…;:,]+$")
_START = re.compile(r"^[\s.!?…;:,\-]+")
_OPENING = re.compile(rf"(?:{_either(OPENINGS)})\b[\s,:;.!-]*", re.IGNORECASE)
_CLOSING = re.compile(rf"[\s,;.!-]*\b(?:{_either(CLOSINGS)})[\s.!?]*$", re.IGNORECASE)
_FIRST = re.compile(r"([^\W\d_]+)(?:[\s,:;.!-]+|$)")
_LAST = re.compile(r"(?:^|[\s,;.!-]+)([^\W\d_]+)[\s.!?]*$")
_TAIL = 64
"""Letters at the end among which the last words are looked for: longer than any closing, and soon gone through."""
_MOST_ROUNDS = 16
"""Greetings and thanks that are taken away, one after the other; a text of more of them stays as it is."""
_HUMMED = re.compile(r",?\s*\b(?:um+|uh+|erm)\b,?", re.IGNORECASE)
_KINDLY = re.compile(
    r"\b((?:can|could|would|will) (?:you|i|we|someone|anyone)),? (?:please|pls|plz|kindly)\b", re.IGNORECASE
)


def plain(text: str) -> str:
    """Return a text with one kind of space and of quotation mark, and nothing in it that cannot be seen."""
    seen = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    kept = "".join(" " if letter.isspace() else letter for letter in seen if _is_seen(letter))
    return _SPACE.sub(" ", kept).strip()


def normalised(text: str) -> str:
    """Return what is asked, without greetings, thanks and fillers, in its own capitals.

    Quotation marks and code keep a text as it is: there every word counts. Normalising again changes nothing.
    """
    said = plain(text)
    if any(mark in said for mark in ('"', "`", "\\", "{", "<", "=")):
        return said
    shorter = said
    for _ in range(_MOST_ROUNDS):
        before, shorter = shorter, _without_opening(_without_closing(shorter)) or shorter
        if shorter == before:
            return shorter
    return said


def folded(text: str) -> str:
    """Return the form in which two ways of typing are the same text."""
    return _END.sub("", text.casefold())


def _is_seen(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) not in {"Cf", "Cc", "Cs", "Co", "Cn"}


def _without_opening(said: str) -> str:
    said = _START.sub("", said) if said[:1] not in "-." else said
    phrase = _OPENING.match(said)
    if phrase and phrase.end() < len(said):
        return said[phrase.end() :]
    word = _FIRST.match(said)
    if word and word[1].casefold() in OPENERS and word.end() < len(said):
        return said[word.end() :]
    return said


def _without_closing(said: str) -> str:
    tail = max(0, len(said) - _TAIL)
    phrase = _CLOSING.search(said, tail)
    if phrase and phrase.start() > 0:
        return said[: phrase.start()]
    word = _LAST.search(said, tail)
    if word and word[1].casefold() in CLOSERS and word.start() > 0:
        return said[: word.start()]
    return _SPACE.sub(" ", _HUMMED.sub(" ", _KINDLY.sub(r"\1", said))).strip() or said
