"""Words of no meaning, the same for the same seed, and the tokens they are counted in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from random import Random

_VOCABULARY = """
    the a of and to in with from under over every quiet bright old new stone glass light hall door arch vault column
    window garden river bridge harbour tower bell market lantern song letter journey morning evening winter summer
    carries opens holds follows gathers remembers answers welcomes measures turns returns waits builds listens keeps
    slowly together once always seldom gently near beyond between beneath while where when until because
"""
_WORDS = tuple(_VOCABULARY.split())

_TOKEN = re.compile(r"\s*\S{1,6}|\s+")
"""A token here: up to six characters with the white space before them. Every text splits without loss."""

_EXACT_CHARACTERS = 65_536
"""Longer texts are counted by their length, so that counting costs no more than about a millisecond."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def split_tokens(text: str) -> list[str]:
    """Return the tokens of `text`; joined they are the text again."""
    return _TOKEN.findall(text)


def count_tokens(text: str) -> int:
    """Return how many tokens `text` has, in the scripted provider's own measure."""
    if len(text) > _EXACT_CHARACTERS:
        return len(text) // 4
    return sum(1 for _ in _TOKEN.finditer(text))


def chunks(tokens: list[str], tokens_each: int) -> Iterator[str]:
    """Yield the texts of the pieces that `tokens` are sent in."""
    for start in range(0, len(tokens), tokens_each):
        yield "".join(tokens[start : start + tokens_each])


def pseudo_text(chance: Random, tokens: int) -> str:
    """Return sentences of exactly `tokens` tokens."""
    pieces: list[str] = []
    while len(pieces) < tokens:
        sentence = _sentence(chance)
        pieces += split_tokens(sentence if not pieces else f" {sentence}")
    return "".join(pieces[:tokens])


def _sentence(chance: Random) -> str:
    words = chance.choices(_WORDS, k=chance.randint(5, 14))
    return f"{' '.join(words).capitalize()}."


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put `values` in the place of `{name}`; braces around anything else stay, so that JSON needs no escaping."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)
