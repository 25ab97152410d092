"""Whether an answer is what was asked for: pure, without I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

import orjson

from narthex.routing.cascades import AnswerCheck
from narthex.types.answers import ChatAnswer, Choice, FinishReason
from narthex.types.json_schemas import Misfit, compiled
from narthex.types.messages import Refusal, Text, ToolCall
from narthex.types.requests import ChatRequest

Unfit = Literal[
    "unfinished",
    "refused",
    "tool_call",
    "too_short",
    "too_long",
    "unmatched",
    "unwanted",
    "not_json",
    "off_schema",
    "unreadable",
    "too_large",
]
"""Why an answer did not pass."""

SEARCHED_CHARACTERS: Final = 65_536
"""How much of a text regular expressions are looked for in: their time grows with it."""

_ENDED: Final = frozenset({FinishReason.STOP, FinishReason.STOP_SEQUENCE, FinishReason.TOOL_CALLS})
_REFUSED: Final = frozenset({FinishReason.REFUSAL, FinishReason.CONTENT_FILTER})


class Checker:
    """One check, made ready."""

    def __init__(self, check: AnswerCheck) -> None:
        """Prepare a check, which must have passed `check_answer_check`."""
        self._check = check
        self._wanted = None if check.must_match is None else re.compile(check.must_match)
        self._unwanted = None if check.must_not_match is None else re.compile(check.must_not_match)
        self._misfit = None if check.json_schema is None else compiled(check.json_schema)

    def unfit(self, answer: ChatAnswer, request: ChatRequest | None) -> Unfit | None:
        """Return why an answer does not pass; None if it does. Each of several choices must.

        Args:
            answer: The whole answer.
            request: What was asked; None where it passes through unread, and nothing of it can be held against.
        """
        return next((why for choice in answer.choices for why in self._faults(choice, request)), None)

    def _faults(self, choice: Choice, request: ChatRequest | None) -> Iterator[Unfit]:
        parts = choice.message.parts
        if self._check.finished:
            yield from _end_faults(choice)
        calls = [part for part in parts if isinstance(part, ToolCall)]
        if calls:
            yield from self._call_faults(calls, request)
            # What stands beside a call is no answer yet.
            return
        text = "".join(part.text for part in parts if isinstance(part, Text))
        yield from self._text_faults(text)
        yield from self._form_faults(text, request)

    def _call_faults(self, calls: list[ToolCall], request: ChatRequest | None) -> Iterator[Unfit]:
        rule = self._check.tool_calls
        if rule == "fail" or (rule == "valid" and not all(_fits_its_tool(call, request) for call in calls)):
            yield "tool_call"

    def _text_faults(self, text: str) -> Iterator[Unfit]:
        least, most = self._check.min_characters, self._check.max_characters
        if least is not None and len(text) < least:
            yield "too_short"
        if most is not None and len(text) > most:
            yield "too_long"
        if self._wanted is not None and not self._wanted.search(text, 0, SEARCHED_CHARACTERS):
            yield "unmatched"
        if self._unwanted is not None and self._unwanted.search(text, 0, SEARCHED_CHARACTERS):
            yield "unwanted"

    def _form_faults(self, text: str, request: ChatRequest | None) -> Iterator[Unfit]:
        misfits = [] if self._misfit is None else [self._misfit]
        is_json = self._check.is_json or bool(misfits)
        form = request.response_format if self._check.request_schema and request is not None else None
        if form is not None and form.kind != "text":
            is_json = True
            misfits += [] if form.schema is None else _asked(form.schema)
        if not is_json:
            return
        try:
            value: object = orjson.loads(text)
        except orjson.JSONDecodeError:
            yield "not_json"
            return
        if any(misfit(value) is not None for misfit in misfits):
            yield "off_schema"


def _end_faults(choice: Choice) -> Iterator[Unfit]:
    refused = any(isinstance(part, Refusal) for part in choice.message.parts)
    if refused or choice.finish_reason in _REFUSED:
        yield "refused"
    elif choice.finish_reason not in _ENDED:
        yield "unfinished"


def _asked(schema: dict[str, object]) -> list[Misfit]:
    try:
        return [compiled(schema)]
    except ValueError:
        # A caller's schema that is none is its provider's to refuse; nothing can be held against it.
        return []


def _fits_its_tool(call: ToolCall, request: ChatRequest | None) -> bool:
    """Tell whether a call's arguments are JSON and fit what the request says of its tool; an unknown tool fits not."""
    try:
        value: object = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError:
        return False
    if request is None:
        return True
    tool = next((tool for tool in request.tools if tool.name == call.name), None)
    return tool is not None and all(misfit(value) is None for misfit in _asked(tool.parameters))
