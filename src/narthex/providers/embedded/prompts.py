"""A request in the words the engine takes: llama.cpp's reading of OpenAI's chat completions.

Only what is named here reaches the engine; its own fields, such as raw grammars, are not the caller's to set.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

import msgspec

from narthex.errors import InvalidRequest, UnsupportedContent
from narthex.providers.embedded.native import Document, too_long
from narthex.providers.embedded.schemas import check_schema, moved
from narthex.providers.embedded.tools import CALLS, Emulation, emulation
from narthex.types.messages import Audio, File, Image, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from narthex.types.requests import ChatRequest, ResponseFormat

_RANGES = (
    ("temperature", 0.0, 2.0),
    ("top_p", 0.0, 1.0),
    ("presence_penalty", -2.0, 2.0),
    ("frequency_penalty", -2.0, 2.0),
    ("top_logprobs", 0, 20),
)
_PASSED_ON = ("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty")
_MAX_STOP = 16
_SEEDS = (1 << 32) - 1
"""The engine's seeds are 32 bits wide, and the last of them means "by chance"."""
_MAX_CHARACTERS_PER_TOKEN = 128
"""Beyond this many characters for each token of the window, no request fits, whatever is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What a model is asked with where the caller says nothing."""

    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One chat, ready for the engine."""

    document: Document
    choices: int
    """Answers asked for."""
    is_emulated: bool
    """Whether the answer is calls and replies in JSON: see `tools`."""


def prompt_of(request: ChatRequest, *, habits: Habits, context_tokens: int, most_choices: int) -> Prompt:
    """Write a request for the engine.

    Raises:
        InvalidRequest: A field is out of its range.
        UnsupportedContent: It holds an image, a sound or a file that is not text.
        ContextTooLong: It cannot fit the window.
    """
    _check_ranges(request, most_choices)
    emulated = emulation(request)
    messages = written_messages(request.messages, emulated)
    characters = sum(len(str(message["content"])) for message in messages)
    if characters > context_tokens * _MAX_CHARACTERS_PER_TOKEN:
        raise too_long(None, context_tokens)
    document: Document = {
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        # Progress of reading the prompt is the engine's only sign of life before the first token.
        "return_progress": True,
        **_tuning(request, habits),
        **_form(request.response_format, emulated),
    }
    return Prompt(document=document, choices=request.n or 1, is_emulated=emulated is not None)


def _check_ranges(request: ChatRequest, most_choices: int) -> None:
    if not request.messages:
        raise InvalidRequest("messages: at least one is required", param="messages")
    for name, least, most in (*_RANGES, ("n", 1, most_choices)):
        value = getattr(request, name)
        if value is not None and not least <= value <= most:
            hint = ", as `embedded.parallel` says" if name == "n" else ""
            raise InvalidRequest(f"{name}: {value} is not between {least} and {most}{hint}", param=name)
    if request.max_output_tokens is not None and request.max_output_tokens < 1:
        raise InvalidRequest("max_tokens: at least 1 is required", param="max_tokens")
    if len(request.stop) > _MAX_STOP or "" in request.stop:
        raise InvalidRequest(f"stop: at most {_MAX_STOP} texts, none of them empty", param="stop")


def _tuning(request: ChatRequest, habits: Habits) -> Document:
    tuning: Document = {
        "temperature": habits.temperature,
        "top_p": habits.top_p,
        "max_tokens": request.max_output_tokens or habits.max_output_tokens,
        "stop": list(request.stop) or None,
        "n": request.n,
        "logprobs": request.logprobs or None,
        "top_logprobs": request.top_logprobs if request.logprobs else None,
        "seed": None if request.seed is None else request.seed % _SEEDS,
        "logit_bias": _logit_bias(request.logit_bias),
    }
    if request.reasoning is not None and not request.reasoning.enabled:
        tuning["chat_template_kwargs"] = {"enable_thinking": False}
    tuning |= {name: value for name in _PASSED_ON if (value := getattr(request, name)) is not None}
    return {name: value for name, value in tuning.items() if value is not None}


def _logit_bias(bias: dict[str, float] | None) -> list[list[float]] | None:
    """Write biases by token ID; the IDs are this model's own."""
    if not bias:
        return None
    if not all(token.isdecimal() and len(token) < 10 for token in bias):
        raise InvalidRequest("logit_bias: expected token IDs of this model", param="logit_bias")
    return [[int(token), value] for token, value in bias.items()]


def _form(form: ResponseFormat | None, emulated: Emulation | None) -> Document:
    if emulated is not None:
        return {"response_format": _by_schema(emulated.schema)}
    if form is None or form.kind == "text":
        return {}
    if form.schema is None:
        return {"response_format": {"type": "json_object"}}
    check_schema(form.schema, "response_format.json_schema.schema")
    # Below a root of its own, a schema may refer to its own beginning, which the engine refuses at the root.
    schema: Document = {"$ref": "#/$defs/answer", "$defs": {"answer": moved(form.schema, "#/$defs/answer")}}
    return {"response_format": _by_schema(schema)}


def _by_schema(schema: Document) -> Document:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


# -- messages ----------------------------------------------------------------------------------------------------------


def written_messages(messages: Sequence[Message], emulated: Emulation | None = None) -> list[Document]:
    """Write messages with three roles and plain text, neighbours of one role as one: what every template can take.

    Raises:
        UnsupportedContent: A message holds an image, a sound or a file that is not text.
    """
    turns = [("system", emulated.instructions)] if emulated is not None else []
    writer = _Writer(messages)
    spoken = [turn for index, message in enumerate(messages) for turn in writer.turns(index, message)]
    if turns and spoken and spoken[0][0] == "system":
        # What the caller says first comes first.
        turns = [spoken.pop(0), *turns]
    written: list[Document] = []
    for role, text in (*turns, *spoken):
        if written and written[-1]["role"] == role:
            written[-1]["content"] = f"{written[-1]['content']}\n\n{text}"
        else:
            written.append({"role": role, "content": text})
    return written


class _Writer:
    """Writes messages; knows which tool each call was for."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self._tools = {
            part.id: part.name for message in messages for part in message.parts if isinstance(part, ToolCall)
        }

    def turns(self, index: int, message: Message) -> list[tuple[str, str]]:
        where = f"messages.{index}.content"
        if message.role == "assistant":
            return [("assistant", self._said(message.parts, where))]
        role = "system" if message.role in ("system", "developer") else "user"
        text = "\n".join(self._text(part, where) for part in message.parts)
        return [(role, f"{message.name}: {text}" if message.name and role == "user" else text)]

    def _said(self, parts: Sequence[Part], where: str) -> str:
        texts = [self._text(part, where) for part in parts if not isinstance(part, ToolCall | Reasoning)]
        calls = [{"name": part.name, "arguments": _arguments(part)} for part in parts if isinstance(part, ToolCall)]
        if calls:
            texts.append(json.dumps({CALLS: calls}, ensure_ascii=False))
        return "\n".join(texts)

    def _text(self, part: Part, where: str) -> str:
        match part:
            case Text() | Refusal() | Reasoning():
                return part.text
            case ToolResult():
                inner = "\n".join(self._text(one, where) for one in part.parts)
                name = self._tools.get(part.tool_call_id, "the tool")
                return f"{'Error from' if part.is_error else 'Result of'} {name}:\n{inner}"
            case File():
                if part.text is None:
                    raise _unreadable("files that are not text", where)
                return f"{part.filename}:\n{part.text}" if part.filename else part.text
            case ToolCall():
                return json.dumps({CALLS: [{"name": part.name, "arguments": _arguments(part)}]})
            case Image():
                raise _unreadable("images", where)
            case Audio():
                raise _unreadable("sounds", where)
            case _:
                assert_never(part)


def _arguments(call: ToolCall) -> object:
    try:
        return msgspec.json.decode(call.arguments)
    except (msgspec.MsgspecError, RecursionError):
        return call.arguments


def _unreadable(what: str, where: str) -> UnsupportedContent:
    return UnsupportedContent(
        f"{where}: the embedded model cannot take {what}, only text; choose a model of another provider for this",
        param=where,
    )
