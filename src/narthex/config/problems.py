"""Problems with the settings: what is wrong, where, and the remedy, one line each."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from narthex.config.origins import DEFAULT, KeyPath, Origin, dotted

_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that must be mended."""

    message: str
    """What is wrong, what was expected, and the remedy; never a secret."""
    origin: Origin = DEFAULT
    path: KeyPath = ()
    """The option at fault; empty for a fault of the whole file."""

    def __str__(self) -> str:
        """Write the one line: `narthex.toml:42:7 providers.openai.timeout: …`."""
        head = " ".join(part for part in (self.origin.where, dotted(self.path)) if part)
        return f"{head}: {self.message}" if head else self.message


def lines(problems: Iterable[Problem]) -> tuple[str, ...]:
    """Return each problem once, as a line, in the order in which a reader meets them."""
    ordered = sorted(problems, key=lambda problem: (problem.origin.sort_key, dotted(problem.path), problem.message))
    return tuple(dict.fromkeys(map(str, ordered)))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant: alike, and alike at its beginning."""
    asked = _folded(word)
    candidates = {_folded(name): name for name in known}
    alike = [name for name in candidates if name[:1] in asked[:2]]
    found = difflib.get_close_matches(asked, alike, n=1, cutoff=0.6)
    return candidates[found[0]] if found else None


def _folded(word: str) -> str:
    return word.casefold().replace("-", "_")


def did_you_mean(word: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """Return a remedy that begins with `; ` for a mistyped word, or what else to say."""
    found = nearest(word, known)
    return f'; did you mean "{found}"?' if found else otherwise


def shown(value: object) -> str:
    """Write a value for a message, cut to a readable length; never call it with a secret."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def kind_of(value: object) -> str:
    """Name the kind of a value, for messages that must not show it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case dict():
            return "a table"
        case list() | tuple():
            return "a list"
        case _:
            return "a date or time"
