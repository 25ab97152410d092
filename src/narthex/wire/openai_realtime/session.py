"""What is set for a session, and what a client may set."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from narthex.errors import InvalidRequest, PermissionDenied, UnsupportedContent
from narthex.types.requests import ReasoningSettings, Tool, ToolChoice
from narthex.wire.openai_realtime.shapes import AUDIO_REMEDY, ResponseBody, SessionBody, Tokens
from narthex.wire.openai_responses.request_decode import function_tool, reasoning_of, tool_choice_of
from narthex.wire.openai_responses.schema import Json, ReasoningBody, ToolBody, ToolChoiceBody

_Value = TypeVar("_Value")


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for the responses of a session."""

    model: str
    instructions: str = ""
    tools: tuple[ToolBody, ...] = ()
    tool_choice: str | ToolChoiceBody = "auto"
    max_output_tokens: Tokens = "inf"
    parallel_tool_calls: bool | None = None
    reasoning: ReasoningBody | None = None

    def updated(self, body: SessionBody) -> Session:
        """Return it with what a client sets.

        Raises:
            InvalidRequest: A value cannot be used; `param` names it.
            PermissionDenied: The model would change.
            UnsupportedContent: What is set needs sound, or something that is not there.
        """
        _check_kind(body)
        if body.model not in (UNSET, None, self.model):
            raise PermissionDenied("session.model: the model of a session cannot change", param="session.model")
        return self._with(body, "session")

    def for_response(self, body: ResponseBody) -> Session:
        """Return what holds for one response; raises as `updated` does."""
        if body.prompt is not None:
            raise _unsupported("response.prompt", "stored prompts", "write the instructions out")
        return self._with(body, "response")

    def _with(self, body: SessionBody | ResponseBody, where: str) -> Session:
        _check_sound(body, where)
        tools = self.tools if body.tools is UNSET else tuple(body.tools or ())
        for index, tool in enumerate(tools):
            function_tool(tool, f"{where}.tools.{index}")
        choice = _or(body.tool_choice, self.tool_choice, "auto")
        tool_choice_of(choice)
        return Session(
            model=self.model,
            instructions=_or(body.instructions, self.instructions, ""),
            tools=tools,
            tool_choice=choice,
            max_output_tokens=_or(body.max_output_tokens, self.max_output_tokens, "inf"),
            parallel_tool_calls=_or(body.parallel_tool_calls, self.parallel_tool_calls, None),
            reasoning=_or(body.reasoning, self.reasoning, None),
        )

    @property
    def functions(self) -> tuple[Tool, ...]:
        """The tools, in the inner vocabulary."""
        return tuple(function_tool(tool, "tools") for tool in self.tools)

    @property
    def choice(self) -> ToolChoice | None:
        """Which tool must be called, in the inner vocabulary; None where nothing is said that is not the default."""
        return tool_choice_of(self.tool_choice) if self.tools else None

    @property
    def thinking(self) -> ReasoningSettings | None:
        """How much the model may think, in the inner vocabulary."""
        return reasoning_of(self.reasoning)

    def shown(self, session_id: str, *, expires_at: int = 0) -> Json:
        """Return it as clients are told."""
        return {
            "type": "realtime",
            "object": "realtime.session",
            "id": session_id,
            "model": self.model,
            "output_modalities": ["text"],
            "instructions": self.instructions,
            "tools": [_plain(tool) for tool in self.tools],
            "tool_choice": self.tool_choice if isinstance(self.tool_choice, str) else _plain(self.tool_choice),
            "max_output_tokens": self.max_output_tokens,
            "parallel_tool_calls": self.parallel_tool_calls,
            "reasoning": None if self.reasoning is None else _plain(self.reasoning),
            "truncation": "disabled",
            "tracing": None,
            "prompt": None,
            "expires_at": expires_at,
            "include": None,
        }


def _check_kind(body: SessionBody) -> None:
    if body.type not in (UNSET, "realtime"):
        raise _unsupported("session.type", f"sessions of type {body.type!r}", 'use "realtime", for text')
    if body.include:
        raise _unsupported("session.include", "further fields", "leave `include` out")
    if body.prompt is not None:
        raise _unsupported("session.prompt", "stored prompts", "write the instructions out")
    if body.tracing is not None:
        raise _unsupported("session.tracing", "OpenAI's traces", "leave `tracing` out; the request log has every call")
    if body.truncation not in (None, "disabled"):
        raise _unsupported(
            "session.truncation", "shortening a conversation", 'use "disabled", and delete items that are not needed'
        )


def _check_sound(body: SessionBody | ResponseBody, where: str) -> None:
    if body.output_modalities not in (UNSET, None, ["text"]):
        field = f"{where}.output_modalities"
        raise UnsupportedContent(f"{field}: only text is written here; {AUDIO_REMEDY}", param=field)
    if body.audio:
        raise UnsupportedContent(f"{where}.audio: there is no sound here; {AUDIO_REMEDY}", param=f"{where}.audio")


def _unsupported(where: str, what: str, remedy: str) -> InvalidRequest:
    return InvalidRequest(f"{where}: {what} cannot be had here; {remedy}", param=where)


def _or(given: _Value | UnsetType | None, before: _Value, cleared: _Value) -> _Value:
    """Return what is given; what was before if nothing is, and the default if that is asked for by null."""
    if isinstance(given, UnsetType):
        return before
    return cleared if given is None else given


def _plain(struct: msgspec.Struct) -> Json:
    return {name: value for name, value in msgspec.to_builtins(struct).items() if value is not None}
