"""Decides what is answered: by rule, by tool, by schema, by template, or with words of no meaning."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from random import Random

import msgspec

from narthex.errors import Failure, ProviderRejected
from narthex.providers.scripted.instances import instance
from narthex.providers.scripted.options import Rule, ScriptOptions, ToolCallScript, When
from narthex.providers.scripted.prompts import Prompt, input_tokens
from narthex.providers.scripted.schemas import UnsupportedSchema
from narthex.providers.scripted.texts import count_tokens, fill, pseudo_text, split_tokens
from narthex.testing.chance import random_for
from narthex.types.answers import ChatAnswer, Choice, FinishReason
from narthex.types.messages import Message, Part, Reasoning, Refusal, Text, ToolCall
from narthex.types.requests import ChatRequest, Tool
from narthex.types.usage import Usage

_ASKS_FOR_A_TOOL = re.compile(r"\b(?:use|call|run|invoke|try)\b.{0,40}\b(?:tool|function)s?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the directives of a prompt ask of the answer."""

    reply: str | None = None
    tokens: int | None = None
    tool: ToolCallScript | None = None


def rule_for(rules: tuple[Rule, ...], prompt: Prompt) -> Rule | None:
    """Return the first rule that fits."""
    return next((rule for rule in rules if _fits(rule.when, prompt)), None)


def _fits(when: When, prompt: Prompt) -> bool:
    return (
        (when.contains is None or when.contains.casefold() in prompt.text.casefold())
        and (when.regex is None or re.search(when.regex, prompt.text) is not None)
        and (when.model is None or when.model == prompt.model)
        and (when.after_tool is None or when.after_tool == (prompt.tool_result is not None))
    )


def fingerprint(model: str, request: ChatRequest) -> str:
    """Return what makes a request the same as another: everything but how the answer is carried."""
    bare = msgspec.structs.replace(request, model=model, stream=False, include_usage=False)
    return blake2b(msgspec.json.encode(bare), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Composer:
    """Composes the answer to one request."""

    provider: str
    options: ScriptOptions
    request: ChatRequest
    prompt: Prompt
    rule: Rule | None
    wishes: Wishes

    def compose(self) -> ChatAnswer:
        """Return the whole answer, usage included.

        Raises:
            ProviderRejected: A schema of the request cannot be fulfilled.
        """
        mark = fingerprint(self.prompt.model, self.request)
        seed = self.options.seed if self.request.seed is None else (self.options.seed, self.request.seed)
        choices = tuple(
            self._choice(index, random_for(seed, mark, index), f"{mark[:16]}{index:x}")
            for index in range(self.request.n or 1)
        )
        return ChatAnswer(
            id=f"scripted-{random_for(seed, mark).getrandbits(64):016x}",
            model=self.prompt.model,
            created_at=self.options.created_at,
            choices=choices,
            usage=self._usage(choices) if self.options.usage else None,
        )

    def _choice(self, index: int, chance: Random, mark: str) -> Choice:
        parts = [*self._reasoning(chance), *self._parts(chance, mark)]
        parts, stop_sequence = _stopped(parts, self.request.stop)
        reason = _reason(parts) if stop_sequence is None else FinishReason.STOP_SEQUENCE
        limits = [
            limit for limit in (self.request.max_output_tokens, self.options.max_output_tokens) if limit is not None
        ]
        cut = _limited(parts, min(limits)) if limits else parts
        if cut != parts:
            reason, stop_sequence = FinishReason.LENGTH, None
        return Choice(
            index=index,
            message=Message(role="assistant", parts=tuple(cut)),
            finish_reason=reason,
            stop_sequence=stop_sequence,
        )

    def _usage(self, choices: tuple[Choice, ...]) -> Usage:
        parts = [part for choice in choices for part in choice.message.parts]
        thought = sum(count_tokens(part.text) for part in parts if isinstance(part, Reasoning))
        return Usage(
            input_tokens=input_tokens(self.request),
            output_tokens=sum(_output_tokens(part) for part in parts),
            reasoning_tokens=thought,
        )

    def _reasoning(self, chance: Random) -> Iterator[Reasoning]:
        asked = self.request.reasoning
        wanted = asked is not None and asked.enabled and asked.effort != "none"
        scripted = self.rule.reasoning if self.rule is not None else None
        if scripted is None and isinstance(self.options.reasoning, str):
            scripted = self.options.reasoning
        if scripted is None and not (wanted or self.options.reasoning):
            return
        text = self._fill(scripted) if scripted is not None else pseudo_text(chance, self._thinking_tokens())
        yield Reasoning(text=text, signature=f"scripted-{chance.getrandbits(96):024x}")

    def _thinking_tokens(self) -> int:
        budget = self.request.reasoning.budget_tokens if self.request.reasoning is not None else None
        return min(self.options.reasoning_tokens, budget or self.options.reasoning_tokens)

    def _parts(self, chance: Random, mark: str) -> list[Part]:
        if self.wishes.reply is not None:
            return [Text(text=self.wishes.reply)]
        if self.rule is not None and self.rule.refusal is not None:
            return [Refusal(text=self._fill(self.rule.refusal))]
        scripts = self._tool_scripts()
        text = self._fill(self.rule.reply) if self.rule is not None and self.rule.reply is not None else None
        if scripts:
            calls = [self._call(script, chance, f"call_{mark}{place:x}") for place, script in enumerate(scripts)]
            return [Text(text=text), *calls] if text else [*calls]
        return [Text(text=text if text is not None else self._text(chance))]

    def _fill(self, template: str) -> str:
        return fill(template, {"prompt": self.prompt.text, "system": self.prompt.system, "model": self.prompt.model})

    def _text(self, chance: Random) -> str:
        form = self.request.response_format
        if form is not None and form.kind == "json_schema":
            return self._json(form.schema if form.schema is not None else True, chance, "response_format")
        if self.wishes.tokens is not None:
            return pseudo_text(chance, self.wishes.tokens)
        if self.options.reply is not None:
            return self._fill(self.options.reply)
        if form is not None and form.kind == "json_object":
            return json.dumps({"answer": pseudo_text(chance, 8)})
        if self.prompt.tool_result is not None:
            return f"The tool answered: {self.prompt.tool_result}"
        return pseudo_text(chance, self.options.reply_tokens)

    def _json(self, schema: object, chance: Random, param: str) -> str:
        try:
            return json.dumps(instance(schema, chance), ensure_ascii=False)
        except UnsupportedSchema as error:
            raise ProviderRejected(
                f"the scripted provider cannot make a value for this schema: {error}; simplify it, or set `reply`",
                provider=self.provider,
                failure=Failure.UNSUPPORTED_FEATURE,
                param=param,
            ) from error

    def _tool_scripts(self) -> tuple[ToolCallScript, ...]:
        if self.wishes.tool is not None:
            return (self.wishes.tool,)
        if self.rule is not None and (self.rule.tool_call or self.rule.reply is not None):
            return self.rule.tool_call
        wanted = self._wanted_tools()
        single = wanted[:1] if self.request.parallel_tool_calls is False else wanted
        return tuple(ToolCallScript(name=tool.name) for tool in single)

    def _wanted_tools(self) -> list[Tool]:
        tools = list(self.request.tools)
        choice = self.request.tool_choice
        mode = choice.mode if choice is not None else "auto"
        if not tools or mode == "none":
            return []
        if mode == "named" and choice is not None:
            return [tool for tool in tools if tool.name == choice.name][:1]
        named = [tool for tool in tools if _mentions(self.prompt.text, tool.name)]
        if mode == "required" or (self.options.tools == "always" and self.prompt.tool_result is None):
            return named or tools[:1]
        if self.options.tools == "never" or self.prompt.tool_result is not None:
            return []
        return named or (tools[:1] if _ASKS_FOR_A_TOOL.search(self.prompt.text) else [])

    def _call(self, script: ToolCallScript, chance: Random, call_id: str) -> ToolCall:
        offered = {tool.name: tool for tool in self.request.tools}
        name = script.name or next(iter(offered), "tool")
        match script.arguments:
            case str() as text:
                arguments = text
            case None:
                schema = offered[name].parameters if name in offered else {}
                arguments = self._json({"type": "object", **schema}, chance, "tools")
            case mapping:
                arguments = json.dumps(mapping, ensure_ascii=False)
        return ToolCall(id=call_id, name=name, arguments=arguments)


def _reason(parts: list[Part]) -> FinishReason:
    if any(isinstance(part, ToolCall) for part in parts):
        return FinishReason.TOOL_CALLS
    return FinishReason.REFUSAL if any(isinstance(part, Refusal) for part in parts) else FinishReason.STOP


def _mentions(text: str, tool: str) -> bool:
    spaced = re.escape(tool).replace("_", "[ _-]")
    return re.search(rf"(?<!\w){spaced}(?!\w)", text, re.IGNORECASE) is not None


def _output_tokens(part: Part) -> int:
    match part:
        case ToolCall():
            return count_tokens(part.name) + count_tokens(part.arguments)
        case Text() | Reasoning() | Refusal():
            return count_tokens(part.text)
        case _:
            return 0


def _stopped(parts: list[Part], stops: tuple[str, ...]) -> tuple[list[Part], str | None]:
    for place, part in enumerate(parts):
        found = _first_stop(part.text, stops) if isinstance(part, Text) else None
        if found is not None and isinstance(part, Text):
            return [*parts[:place], Text(text=part.text[: found[0]])], found[1]
    return parts, None


def _first_stop(text: str, stops: tuple[str, ...]) -> tuple[int, str] | None:
    places = [(text.index(stop), stop) for stop in stops if stop and stop in text]
    return min(places) if places else None


def _limited(parts: list[Part], tokens: int) -> list[Part]:
    """Cut the parts after so many tokens, inside the arguments of a tool call too, as models do."""
    kept: list[Part] = []
    for part in parts:
        needed = _output_tokens(part)
        if needed <= tokens:
            kept.append(part)
            tokens -= needed
            continue
        if tokens > 0:
            kept.append(_cut(part, tokens))
        break
    return kept


def _cut(part: Part, tokens: int) -> Part:
    match part:
        case ToolCall():
            left = max(0, tokens - count_tokens(part.name))
            return ToolCall(id=part.id, name=part.name, arguments=_head(part.arguments, left))
        case Text():
            return Text(text=_head(part.text, tokens))
        case Reasoning():
            return Reasoning(text=_head(part.text, tokens))
        case Refusal():
            return Refusal(text=_head(part.text, tokens))
        case _:
            return part


def _head(text: str, tokens: int) -> str:
    return "".join(split_tokens(text)[:tokens])
