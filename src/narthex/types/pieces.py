"""A whole answer as a stream would have told it: the same events, in small pieces.

Joined again, the pieces say exactly what the whole said, which `narthex.types.folding.fold` holds them to.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from narthex.types.answers import TokenLogprob
from narthex.types.events import Event, ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta

PIECE_CHARACTERS: Final = 24
"""Characters from which on a piece is long enough: a few words."""
MAX_PIECE_CHARACTERS: Final = 48
"""Most characters of a piece, unless a cut before would break a character as readers see it."""
LONGEST_CHARACTER: Final = 32
"""Code points of a character as readers see it, at most: a longer one, which nobody writes, is cut."""

_WORD: Final = re.compile(r"\S+\s*|\s+")
_ARGUMENTS: Final = re.compile(
    r"(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]|\\){1,24}", re.DOTALL
)
"""A piece of JSON text that ends within no escape: nor between the two that stand for one character."""
_JOINER: Final = "\u200d"
_FLAGS: Final = range(0x1F1E6, 0x1F200)
_SKINS: Final = range(0x1F3FB, 0x1F400)


def in_pieces(events: Iterable[Event]) -> Iterator[Event]:
    """Yield the same answer in smaller events: texts by words, arguments of tools by characters."""
    for event in events:
        match event:
            case TextDelta():
                yield from _text(event)
            case RefusalDelta():
                for piece in pieces(event.text):
                    yield msgspec.structs.replace(event, text=piece)
            case ReasoningDelta():
                yield from _reasoning(event)
            case ToolCallDelta():
                for piece in _ARGUMENTS.findall(event.arguments) or [""]:
                    yield msgspec.structs.replace(event, arguments=piece)
            case _:
                yield event


def pieces(text: str) -> Iterator[str]:
    """Yield a text in pieces of a few words; a word that is long by itself is cut where no character is torn."""
    held = ""
    for word in _WORD.findall(text):
        if held and len(held) + len(word) > MAX_PIECE_CHARACTERS:
            yield held
            held = ""
        held += word
        if len(held) >= PIECE_CHARACTERS:
            *whole, held = _chopped(held)
            yield from whole
            if len(held) >= PIECE_CHARACTERS:
                yield held
                held = ""
    if held:
        yield held


def _chopped(text: str) -> list[str]:
    chopped: list[str] = []
    begin = 0
    while len(text) - begin > MAX_PIECE_CHARACTERS:
        end = _safe_end(text, begin + MAX_PIECE_CHARACTERS)
        chopped.append(text[begin:end])
        begin = end
    return [*chopped, text[begin:]]


def _safe_end(text: str, wanted: int) -> int:
    """Return the last place up to `wanted` at which no character is torn; `wanted` itself if there is none near."""
    for end in range(wanted, wanted - LONGEST_CHARACTER, -1):
        if not _is_torn(text[end - 1], text[end]):
            return end
    return wanted


def _is_torn(before: str, after: str) -> bool:
    """Tell whether a cut between two code points may fall within a character as readers see it."""
    if _JOINER in {before, after} or (before == "\r" and after == "\n"):
        return True
    if ord(after) in _SKINS or (ord(before) in _FLAGS and ord(after) in _FLAGS):
        return True
    # Accents, vowel signs and the like, which stand on what comes before; variation selectors are among them.
    return unicodedata.category(after).startswith("M")


def _text(event: TextDelta) -> Iterator[Event]:
    told = list(_with_tokens(event.text, event.logprobs))
    last = len(told) - 1
    for number, (text, logprobs) in enumerate(told):
        # Citations speak of the text before them.
        citations = event.citations if number == last else ()
        yield msgspec.structs.replace(event, text=text, logprobs=logprobs, citations=citations)


def _with_tokens(
    text: str, logprobs: tuple[TokenLogprob, ...] | None
) -> Iterator[tuple[str, tuple[TokenLogprob, ...] | None]]:
    """Yield the pieces of a text, each with the log probabilities of its own tokens."""
    if logprobs is None:
        found = False
        for piece in pieces(text):
            found = True
            yield piece, None
        if not found:
            yield "", None
        return
    if "".join(one.token for one in logprobs) != text:
        # Tokens that are no whole characters: nobody can tell which belongs to what piece.
        first, *others = list(pieces(text)) or [""]
        yield first, logprobs
        yield from ((piece, None) for piece in others)
        return
    yield from _by_tokens(logprobs)


def _by_tokens(logprobs: tuple[TokenLogprob, ...]) -> Iterator[tuple[str, tuple[TokenLogprob, ...]]]:
    held: list[TokenLogprob] = []
    size = 0
    for one in logprobs:
        held.append(one)
        size += len(one.token)
        if size >= PIECE_CHARACTERS:
            yield "".join(token.token for token in held), tuple(held)
            held, size = [], 0
    if held or not logprobs:
        yield "".join(token.token for token in held), tuple(held)


def _reasoning(event: ReasoningDelta) -> Iterator[Event]:
    if event.signature is None and event.redacted is None:
        for piece in pieces(event.text):
            yield msgspec.structs.replace(event, text=piece)
        return
    *said, last = list(pieces(event.text)) or [""]
    for piece in said:
        yield msgspec.structs.replace(event, text=piece, signature=None, redacted=None)
    yield msgspec.structs.replace(event, text=last)
