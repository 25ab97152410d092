"""What a question names, counts, denies and asks for: read once, compared often."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from narthex.cache.semantic.languages import language_of
from narthex.cache.semantic.normalising import folded
from narthex.cache.semantic.stems import stem
from narthex.cache.semantic.words import (
    DATES,
    DIRECTIONS,
    FILLERS,
    FUNCTION,
    NEGATORS,
    NUMBERS,
    QUESTIONS,
    RELATIONS,
    SCALES,
    UNITS,
)

_TOKEN = re.compile(r"[£$€¥]|\d[\d,.]*\d|\d|%|[^\W\d_]+(?:['’][^\W\d_]+)?(?:[-.][^\W\d_]+)*|[^\W_]+")
_QUOTED = re.compile(r'"([^"]+)"|`([^`]+)`|(?<!\w)\'([^\']+)\'(?!\w)')
_CODE = re.compile(
    r"\w+(?:_\w+)+|\b[a-z]+[A-Z]\w*|\w+\(\)?|(?:[\w-]+/)+[\w.-]+|\b\w+\.(?!\d)\w{1,5}\b|[=!<>]=|[+*|&^~<>]|::|->|#\w+|(?:^|(?<=\s))--?[a-zA-Z][\w-]*(?=\s|$)"
)
_ID = re.compile(
    r"\b(?=[\w-]{0,64}\d)(?=[\w-]{0,64}[A-Za-z])[A-Za-z0-9][\w.-]*\b|\bhttps?://\S+|[^\s@]{1,64}@[^\s@]+\.\w+"
)
_AMOUNT = re.compile(r"^\d+(?:st|nd|rd|th|k|m|bn|[a-z]{1,2})$", re.IGNORECASE)
_CAPITALS = re.compile(r"\b[A-Z][\w&'-]*(?:\s+(?:of|the|de|la|van|von)?\s*[A-Z][\w&'-]*)*")
_KINDS = (
    ("duration", re.compile(r"\bhow (?:long|soon|quickly|fast)\b|\bhow much (?:time|notice)\b")),
    ("count", re.compile(r"\bhow many\b|\bnumber of\b")),
    (
        "amount",
        re.compile(r"\bhow (?:much|expensive)\b|\bwhat(?:'s| is| are| does)?(?: the)? (?:cost|price|fee)|\bcosts?\b"),
    ),
    ("time", re.compile(r"\bwhen\b|\bwhat (?:time|date|day|year)\b|\bhours\b|\bwhich (?:day|year)\b")),
    ("place", re.compile(r"\bwhere\b|\bwhat (?:place|address)\b|\blocated\b")),
    ("person", re.compile(r"\bwho(?:m|se|'s)?\b")),
    ("reason", re.compile(r"\bwhy\b|\bwhat (?:causes?|makes|is the reason|'s the reason)\b|\breasons?\b|\bhow come\b")),
    (
        "way",
        re.compile(
            r"\bhow (?:do|can|to|would|should|could|does|might)\b|\bway (?:to|of)\b|\bsteps\b|\bprocess\b|\bprocedure\b"
        ),
    ),
    ("thing", re.compile(r"\bwhat\b|\bwhich\b")),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Marks:
    """All that guards and the verifier look at, of one question."""

    text: str
    """The question, normalised."""
    tokens: tuple[str, ...]
    """Its words and numbers in order, in lower case."""
    numbers: tuple[tuple[float, str], ...]
    """Numbers with their unit, in order; an empty unit is none."""
    dates: frozenset[str]
    ids: frozenset[str]
    quoted: frozenset[str]
    code: frozenset[str]
    names: tuple[str, ...]
    """Words that capitals mark as names, in order, in lower case."""
    negations: int
    kind: str
    """What is asked for: a way, a time, a person; empty for none of these."""
    language: str

    @cached_property
    def folded(self) -> str:
        """The question, however it is typed."""
        return folded(self.text)

    @cached_property
    def content(self) -> tuple[str, ...]:
        """The words that say what it is about, as they stand."""
        return tuple(
            word
            for word in self.tokens
            if word not in FUNCTION
            and word not in NEGATORS
            and word not in FILLERS
            and word not in QUESTIONS
            and not word[0].isdigit()
        )

    @cached_property
    def stems(self) -> frozenset[str]:
        """All of its words, by their stems."""
        return frozenset(stem(word) for word in self.tokens)

    @cached_property
    def roles(self) -> frozenset[tuple[str, str]]:
        """The parts that words play: the stem of a word, and the direction of the word before it."""
        found: set[tuple[str, str]] = set()
        for number, word in enumerate(self.tokens[:-1]):
            part = DIRECTIONS.get(word)
            if part is None:
                continue
            following = next((after for after in self.tokens[number + 1 : number + 4] if after not in _SKIPPED), None)
            if following is not None:
                found.add((stem(following), part))
        return frozenset(found)

    @cached_property
    def relations(self) -> frozenset[tuple[str, str, str]]:
        """Words with what stands between them, where it has a direction: "metres to feet", "spoons in a cup"."""
        found: set[tuple[str, str, str]] = set()
        before, between = "", ""
        known = frozenset(self.content)
        for word in self.tokens:
            if word in known:
                if before and between:
                    found.add((before, between, stem(word)))
                before, between = stem(word), ""
            elif word in RELATIONS:
                between = RELATIONS[word]
        return frozenset(found)


_SKIPPED = frozenset(["a", "an", "the", "my", "your", "our", "their", "his", "her", "its", "this", "that"])


def read(text: str) -> Marks:
    """Read a normalised question."""
    tokens = tokens_of(text)
    code = frozenset(found.rstrip("(") for found in _CODE.findall(text))
    return Marks(
        text=text,
        tokens=tokens,
        numbers=numbers_of(tokens),
        dates=_dates(text, tokens),
        ids=frozenset(found.lower() for found in _ID.findall(text) if not _is_amount(found)),
        quoted=frozenset(" ".join(part).strip().lower() for part in _QUOTED.findall(text)),
        code=code,
        names=_names(text),
        negations=sum(word in NEGATORS for word in tokens),
        kind=kind_of(text),
        language=language_of(text),
    )


def _is_amount(found: str) -> bool:
    """Tell whether what looks like an ID is a number and its unit: "2-year", "23kg"."""
    return bool(_AMOUNT.match(found)) or all(
        part.isdigit() or part in UNITS or part == "old" for part in found.lower().split("-")
    )


def tokens_of(text: str) -> tuple[str, ...]:
    """Return words, numbers and signs of currency, in lower case and without possessives."""
    found: list[str] = []
    for token in _TOKEN.findall(text):
        word = token.lower().replace("’", "'")
        word = word.removesuffix("'s")
        word = word.replace("n't", "nt") if word.endswith("n't") else word.split("'")[0]
        found += _parts(word) if "-" in word else [word]
    return tuple(word for word in found if word)


def _parts(word: str) -> list[str]:
    """Divide "2-year" and "twenty-one"; leave "self-employed" whole."""
    pieces = word.split("-")
    if any(piece in NUMBERS or piece in UNITS for piece in pieces):
        return pieces
    return [word]


def numbers_of(tokens: tuple[str, ...]) -> tuple[tuple[float, str], ...]:
    """Return the numbers among words, with the unit that stands beside each."""
    found: list[tuple[float, str]] = []
    number = 0
    while number < len(tokens):
        value, used = _value(tokens, number)
        if used:
            before = tokens[number - 1] if number else ""
            after = tokens[number + used] if number + used < len(tokens) else ""
            unit = before if before in "£$€¥" and before else UNITS.get(after, "")
            found.append((value, UNITS.get(unit, unit)))
        number += max(used, 1)
    return tuple(found)


def _value(tokens: tuple[str, ...], start: int) -> tuple[float, int]:
    """Return the number that begins at a word and how many words it takes; 0 words where none begins."""
    total, used, scaled = 0.0, 0, False
    for token in tokens[start:]:
        digits = _digits(token)
        if digits is not None and not used:
            total, used = digits, used + 1
        elif token in SCALES and used and (token not in {"m", "k"} or total):
            total, used, scaled = total * SCALES[token], used + 1, True
        elif token in NUMBERS and (
            not used or (20 <= total < 100 and NUMBERS[token] < 10 and total % 10 == 0) or scaled
        ):
            if not used and token in _NOT_ALONE:
                return 0.0, 0
            total, used = total + NUMBERS[token], used + 1
        else:
            break
    return total, used


_NOT_ALONE = frozenset(["one", "second", "first", "double", "pair", "couple", "quarter", "half"])
"""Words that count only beside other numbers; by themselves they mostly do not."""


def _digits(token: str) -> float | None:
    if not token[0].isdigit():
        return None
    text = re.sub(r"(?:st|nd|rd|th)$", "", token).replace(",", "")
    try:
        return float(text)
    except ValueError:
        matched = re.match(r"\d+", text)
        return float(matched[0]) if matched else None


def _dates(text: str, tokens: tuple[str, ...]) -> frozenset[str]:
    found = {DATES[word] for word in tokens if word in DATES and word not in {"sun", "sat", "mar", "march", "second"}}
    if re.search(r"(?<!^)\bMarch\b", text):
        found.add("march")
    if re.search(r"(?<!^)\bMay\b", text):
        found.add("may")
    return frozenset(found)


def _names(text: str) -> tuple[str, ...]:
    """Return words that are written with a capital where a sentence does not ask for one."""
    if text.isupper():
        return ()
    found: list[str] = []
    for matched in _CAPITALS.finditer(text):
        words = tokens_of(matched[0])
        at_start = matched.start() == 0 or text[: matched.start()].rstrip()[-1:] in ".!?:"
        if at_start and not matched[0].split()[0][1:].isupper():
            words = words[1:] if words and (words[0] in FUNCTION or words[0] in FILLERS or len(words) > 1) else ()
        found += [word for word in words if word not in FUNCTION and word not in DATES]
    return tuple(found)


def kind_of(text: str) -> str:
    """Return what is asked for."""
    lowered = text.lower()
    return next((kind for kind, pattern in _KINDS if pattern.search(lowered)), "")
