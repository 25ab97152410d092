"""What makes two questions different, whatever their vectors say.

A guard is sure: it names its reason, and the pair is never served. What is only likely is left to the verifier.
"""

from __future__ import annotations

from typing import Literal

from narthex.cache.semantic.aligning import Alignment
from narthex.cache.semantic.marks import Marks
from narthex.cache.semantic.stems import stem

Reason = Literal[
    "number", "date", "id", "quoted", "code", "name", "order", "negation", "contrary", "direction", "kind", "language"
]
"""Why two questions are not one."""

_DISTINCT = frozenset({"duration", "count", "amount", "time", "place", "person", "reason"})
"""Kinds of question that no other kind can stand for."""
_MEASURED = frozenset({"duration", "count", "amount", "time", "reason"})
_CLOSE = ({"duration", "count"}, {"place", "reason"})
"""Kinds that are said in the same words: "how many days", "where does it come from"."""
_EVEN = frozenset({"and", "or", "between", "vs", "versus", "with", "than", "&", "compare", "compared"})
"""Words between two things whose order makes no difference."""
_AGAINST = {
    frozenset({"away", "toward"}),
    frozenset({"before", "after"}),
    frozenset({"above", "below"}),
    frozenset({"with", "without"}),
}


def objection(one: Marks, other: Marks, alignment: Alignment) -> Reason | None:
    """Return why two questions are not one; None where nothing is known against it.

    The lists are English: in every other language only the same words in the same order are one question.
    """
    if one.tokens != other.tokens and (one.language != "en" or other.language != "en"):
        return "language"
    if sorted(one.numbers) != sorted(other.numbers) and not _same_numbers(one, other):
        return "number"
    if one.numbers != other.numbers and len(one.numbers) > 1 and not _is_even(one):
        return "order"
    if one.dates != other.dates:
        return "date"
    if one.ids != other.ids:
        return "id"
    if one.quoted != other.quoted:
        return "quoted"
    if {part.lower() for part in one.code} != {part.lower() for part in other.code}:
        return "code"
    return _of_words(one, other, alignment)


def _of_words(one: Marks, other: Marks, alignment: Alignment) -> Reason | None:
    if _names_differ(one, other, alignment):
        return "name"
    if bool(one.negations % 2) != bool(other.negations % 2):
        return "negation"
    if alignment.is_contrary:
        return "contrary"
    if _roles_differ(one, other):
        return "direction"
    if _order_differs(one, other):
        return "order"
    return "kind" if _kinds_differ(one.kind, other.kind) else None


def _kinds_differ(one: str, other: str) -> bool:
    """Tell whether two questions ask for what cannot be one: a time and a place, a way and an amount."""
    if one == other or {one, other} in _CLOSE:
        return False
    return (one in _DISTINCT and other in _DISTINCT) or ("way" in {one, other} and bool({one, other} & _MEASURED))


def _same_numbers(one: Marks, other: Marks) -> bool:
    """Tell whether numbers are the same where one of the two leaves a unit out."""
    first, second = sorted(one.numbers), sorted(other.numbers)
    return len(first) == len(second) and all(
        value == against and (unit == beside or not unit or not beside)
        for (value, unit), (against, beside) in zip(first, second, strict=True)
    )


def _names_differ(one: Marks, other: Marks, alignment: Alignment) -> bool:
    left, right = frozenset(alignment.left), frozenset(alignment.right)
    return any(name in left for name in one.names) or any(name in right for name in other.names)


def _roles_differ(one: Marks, other: Marks) -> bool:
    """Tell whether a word plays contrary parts: "from Paris" and "to Paris"."""
    parts = dict(one.roles)
    return any(word in parts and frozenset({parts[word], part}) in _AGAINST for word, part in other.roles)


def _order_differs(one: Marks, other: Marks) -> bool:
    """Tell whether the same things stand the other way round: "metres to feet", "feet to metres"."""
    if _is_even(one) and _is_even(other):
        return False
    if any((after, word, before) in other.relations for before, word, after in one.relations):
        return True
    named = {stem(name) for name in (*one.names, *other.names)}
    if len(named) < 2:
        return False
    first, second = _sequence(one), _sequence(other)
    common = [word for word in first if word in named and word in second]
    return common != [word for word in second if word in named and word in first]


def _sequence(marks: Marks) -> list[str]:
    return list(dict.fromkeys(stem(word) for word in marks.content))


def _is_even(marks: Marks) -> bool:
    return any(word in _EVEN for word in marks.tokens)
