"""What a model says: the same for the same seed and prompt, and as spoiled as a scenario wants it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from narthex.testing.chance import random_for
from narthex.testing.scenarios import (
    BreakToolCall,
    ContentFilter,
    DuplicateChunk,
    HugeChunk,
    Scenario,
    Truncate,
    WrongUsage,
)
from narthex.testing.wall.asking import Asked, Tool
from narthex.testing.wires import words

Finish = Literal["stop", "tool_calls", "content_filter"]

_VOCABULARY = """
    the a of and to in with from under over every quiet bright old new stone glass light hall door arch vault column
    narthex basilica façade Καλημέρα 門 Größe naïve élan 🏛 opens holds follows gathers answers welcomes turns waits
"""
_WORDS = tuple(_VOCABULARY.split())
_REPLY_WORDS = 24
_VALUES: Mapping[str, object] = {"integer": 7, "number": 7.5, "boolean": True, "array": [], "object": {}, "null": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of a tool, its arguments in the pieces that they are written in."""

    id: str
    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer, in the pieces that it is written in."""

    pieces: tuple[str, ...]
    call: Call | None = None
    finish: Finish | None = "stop"
    """Why it ends; None if it does not say."""
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def text(self) -> str:
        """The text as a whole."""
        return "".join(self.pieces)


@lru_cache(maxsize=64)
def pseudo_text(seed: int) -> str:
    """Return words of no meaning, some of them beyond ASCII, so that a careless cut is seen."""
    chance = random_for("wall", seed)
    return " ".join(chance.choices(_WORDS, k=_REPLY_WORDS)).capitalize() + "."


def reply_to(asked: Asked, *, seed: int, template: str | None = None) -> Said:
    """Return what a healthy model answers.

    Args:
        asked: The request.
        seed: Of the words, where there is no template.
        template: The answer, with `{prompt}` for the prompt.

    An answer that has begun already is continued, and so is one that was cut off one message before. A tool that is
    offered is called, with arguments that its schema takes.
    """
    counted = len(words(asked.prompt)) + 4
    if asked.tools:
        call = _call(asked.tools[0], f"{random_for(seed, asked.prompt).getrandbits(48):012x}")
        return Said(pieces=(), call=call, finish="tool_calls", input_tokens=counted, output_tokens=len(call.arguments))
    begun, rest = _rest(asked, lambda prompt: pseudo_text(seed) if template is None else _filled(template, prompt))
    pieces = tuple(words(rest))
    return Said(pieces=pieces, input_tokens=counted + len(words(begun)), output_tokens=len(pieces))


def _rest(asked: Asked, text_for: Callable[[str], str]) -> tuple[str, str]:
    """Return what the answer begins with already, and what is left to say."""
    if asked.before is not None:
        prompt, cut_off = asked.before[0], asked.before[1].rstrip()
        text = text_for(prompt)
        if cut_off and text.startswith(cut_off) and cut_off != text:
            # Whatever the user says behind an answer that was cut, the sensible thing is to go on with it.
            return cut_off, text[len(cut_off) :]
    begun, text = asked.begun.rstrip(), text_for(asked.prompt)
    return begun, text.removeprefix(begun)


def _filled(template: str, prompt: str) -> str:
    return template.replace("{prompt}", prompt)


def _call(tool: Tool, number: str) -> Call:
    written = json.dumps(_arguments(tool), separators=(",", ":"))
    size = max(1, -(-len(written) // 4))
    pieces = tuple(written[start : start + size] for start in range(0, len(written), size))
    return Call(id=f"call_{number}", name=tool.name, arguments=pieces)


def _arguments(tool: Tool) -> dict[str, object]:
    properties = tool.schema.get("properties")
    return {name: _value(schema) for name, schema in properties.items()} if isinstance(properties, Mapping) else {}


def _value(schema: object) -> object:
    told = schema if isinstance(schema, Mapping) else {}
    choices = told.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    kind = told.get("type")
    return _VALUES.get(kind, "narthex") if isinstance(kind, str) else "narthex"


def altered(said: Said, scenario: Scenario | None, *, is_streamed: bool) -> Said:
    """Return what is said once a scenario has spoiled the content."""
    match scenario:
        case DuplicateChunk():
            return replace(said, pieces=tuple(_twice(said.pieces, max(1, scenario.after_chunks))))
        case HugeChunk():
            return replace(said, pieces=("narthex " * (scenario.characters // 8), *said.pieces))
        case ContentFilter():
            return replace(cut(said, scenario.after_chunks), finish="content_filter")
        case Truncate() if not is_streamed:
            return replace(cut(said, scenario.after_chunks), finish=None)
        case WrongUsage():
            counted = (int(said.input_tokens * scenario.factor), int(said.output_tokens * scenario.factor))
            return replace(said, input_tokens=counted[0], output_tokens=counted[1])
        case BreakToolCall() if said.call is not None:
            return replace(said, call=_broken(said.call, scenario))
        case _:
            return said


def cut(said: Said, after: int) -> Said:
    """Keep so many pieces, of the text or of the arguments."""
    call = said.call and replace(said.call, arguments=said.call.arguments[:after])
    return replace(said, pieces=said.pieces[:after], call=call)


def _twice(pieces: tuple[str, ...], place: int) -> Iterator[str]:
    for number, piece in enumerate(pieces, 1):
        yield piece
        if number == min(place, len(pieces)):
            yield piece


def _broken(call: Call, scenario: BreakToolCall) -> Call:
    if scenario.how == "unknown_tool":
        return replace(call, name=f"no_{call.name}")
    *kept, last = call.arguments
    return replace(call, arguments=(*kept, f'{last.rstrip("} ")}, "broken": '))
