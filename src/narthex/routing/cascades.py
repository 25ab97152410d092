"""Cascades: members are asked in order, cheapest first, until an answer passes the check."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

ToolCalls = Literal["pass", "valid", "fail"]
"""What becomes of an answer that calls tools: it passes as it is, if its arguments fit the tool, or never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCheck:
    """What an answer must be like, or the next member is asked; everything that is given must hold."""

    finished: bool = True
    """It came to its end by itself: not cut by a limit of tokens, not filtered, not refused."""
    is_json: bool = False
    """Its text is one JSON value."""
    json_schema: Mapping[str, object] | None = None
    """Its text is JSON that fits this schema."""
    request_schema: bool = False
    """Its text has the form that the request asks for: JSON, or JSON of a schema."""
    must_match: str | None = None
    """A regular expression that is found in its text."""
    must_not_match: str | None = None
    """A regular expression that is not found in it, such as one of refusals."""
    min_characters: int | None = None
    max_characters: int | None = None
    """Both count themselves."""
    tool_calls: ToolCalls = "pass"


def check_answer_check(path: tuple[str | int, ...], check: AnswerCheck) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield what cannot hold in the check that stands at `path` of the configuration."""
    for name in ("must_match", "must_not_match"):
        pattern: str | None = getattr(check, name)
        try:
            re.compile(pattern or "")
        except re.error as error:
            yield (*path, name), f"not a regular expression: {error}"
    least, most = check.min_characters, check.max_characters
    if least is not None and most is not None and least > most:
        yield (*path, "min_characters"), f"more than `max_characters`, {most}; no answer is as long and as short"
    if check.json_schema is not None:
        yield from _check_schema((*path, "json_schema"), check.json_schema)
    if check == _NOTHING:
        yield path, "nothing is checked, so the first answer would always be given; ask for something"


def _check_schema(
    path: tuple[str | int, ...], schema: Mapping[str, object]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    # Loading it takes longer than reading the whole configuration, and few configure a schema.
    from narthex.types.json_schemas import compiled  # noqa: PLC0415

    try:
        compiled(schema)
    except ValueError as error:
        yield path, f"not a valid JSON schema: {error}"


_NOTHING = AnswerCheck(finished=False)
