"""Options of a scripted provider, read strictly from `providers.NAME.script`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)

from narthex.config.problems import did_you_mean, shown
from narthex.config.sections import Section
from narthex.errors import ConfigError
from narthex.testing.scenarios import SCENARIOS, WIRE_ONLY, Scenario

ModelId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^\S+$")]


class When(Section):
    """Which requests a rule is for: those that meet all that is given."""

    contains: str | None = Field(default=None, description="The prompt has this text, in capitals or not.")
    regex: str | None = Field(default=None, description="This regular expression is found in the prompt.")
    model: str | None = Field(default=None, description="This model is asked.")
    after_tool: bool | None = Field(default=None, description="Whether the last message brings a tool's result.")

    @field_validator("regex")
    @classmethod
    def _compiles(cls, regex: str | None) -> str | None:
        try:
            re.compile(regex or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return regex


class ToolCallScript(Section):
    """A tool call to make."""

    name: str | None = Field(default=None, description="The tool; by default the first that the request offers.")
    arguments: dict[str, object] | str | None = Field(
        default=None, description="Its arguments; by default made from the tool's schema. A text is sent as it stands."
    )


def _contains(value: object) -> object:
    return {"contains": value} if isinstance(value, str) else value


def _listed(value: object) -> object:
    return [value] if isinstance(value, Mapping) else value


def _can_be_played(scenario: Scenario) -> Scenario:
    if scenario.fault in WIRE_ONLY:
        raise ValueError(f'"{scenario.fault}" needs a socket: an answer made in this process cannot show it')
    return scenario


Playable = Annotated[Scenario, AfterValidator(_can_be_played)]
"""A scenario that an answer can show."""


class Rule(Section):
    """What is answered to some requests; the first rule that fits a request is taken."""

    when: Annotated[When, BeforeValidator(_contains)] = Field(
        default=When(),
        description="Which requests; a plain text is `contains`. By default all.",
    )
    reply: str | None = Field(
        default=None, description="The answer; `{prompt}`, `{system}` and `{model}` are filled in."
    )
    refusal: str | None = Field(default=None, description="A refusal in the model's words, instead of an answer.")
    reasoning: str | None = Field(default=None, description="Thinking written before the answer.")
    tool_call: Annotated[tuple[ToolCallScript, ...], BeforeValidator(_listed)] = Field(
        default=(), description="One tool call, or a list of calls made in parallel."
    )
    fault: Playable | None = Field(default=None, description="What goes wrong.")


class ScriptOptions(Section):
    """Everything that a scripted provider can be told."""

    models: tuple[ModelId, ...] = Field(
        default=("scripted",), min_length=1, description="Models it serves; each can do everything."
    )
    seed: int = Field(default=0, description="Same seed and same request give the same answer, in the same pieces.")
    reply: str | None = Field(
        default=None, description="The answer where no rule fits; `{prompt}`, `{system}` and `{model}` are filled in."
    )
    replies: tuple[Rule, ...] = Field(default=(), description="Rules, the first that fits a request is taken.")
    reply_tokens: int = Field(
        default=48, ge=1, le=1_000_000, description="Length of the text made without `reply`, in tokens."
    )
    reasoning: bool | str = Field(
        default=False, description="Whether it thinks without being asked, or what it thinks."
    )
    reasoning_tokens: int = Field(default=24, ge=1, le=1_000_000, description="Length of the thinking made, in tokens.")
    tools: Literal["asked", "always", "never"] = Field(
        default="asked",
        description="When it calls an offered tool: when the prompt names one, at every turn, or never.",
    )
    chunk_tokens: int = Field(default=1, ge=1, le=1_000_000, description="Tokens in each piece of a stream.")
    latency_ms: float = Field(default=0.0, ge=0, le=86_400_000, description="Time before anything is answered.")
    first_token_ms: float = Field(default=0.0, ge=0, le=86_400_000, description="Time from there to the first token.")
    tokens_per_second: float | None = Field(
        default=None, gt=0, description="Pace of writing; by default as fast as possible."
    )
    jitter: float = Field(default=0.0, ge=0, le=1, description="Share by which each wait varies, up or down.")
    usage: bool = Field(default=True, description="Whether it reports the tokens used.")
    dimensions: int = Field(default=384, ge=1, le=16_384, description="Length of its vectors.")
    context_tokens: int | None = Field(
        default=None, ge=1, description="Window of its models; longer requests are refused."
    )
    max_output_tokens: int | None = Field(default=None, ge=1, description="Longest answer of its models.")
    created_at: int = Field(default=1_767_225_600, ge=0, description="Unix time that its answers bear.")
    faults: tuple[Playable, ...] = Field(default=(), description="What goes wrong, and when.")
    directives: bool = Field(default=False, description="Whether prompts may ask for faults: `[[fail 503]]`.")


def read_options(name: str, script: Mapping[str, object]) -> ScriptOptions:
    """Read the options of the provider `name`.

    Raises:
        ConfigError: With every problem found.
    """
    try:
        return ScriptOptions.model_validate(script)
    except ValidationError as error:
        problems = [_problem(f"providers.{name}.script", dict(detail)) for detail in error.errors(include_url=False)]
        raise ConfigError(tuple(dict.fromkeys(problems))) from error


def _problem(prefix: str, detail: Mapping[str, object]) -> str:
    steps = [step for step in _steps(detail["loc"]) if step not in SCENARIOS]
    path = ".".join([prefix, *map(str, steps)])
    match detail["type"]:
        case "extra_forbidden":
            remedy = did_you_mean(str(steps[-1]), _known(steps[:-1]), otherwise="; remove it")
            return f"{path}: unknown option{remedy}"
        case "union_tag_invalid" | "union_tag_not_found":
            fault = detail["input"].get("fault", "") if isinstance(detail["input"], Mapping) else ""
            remedy = did_you_mean(str(fault), SCENARIOS, otherwise=f"; there are {', '.join(sorted(SCENARIOS))}")
            return f"{path}.fault: no fault {shown(fault)}{remedy}"
        case _:
            message = str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
            got = "" if isinstance(detail["input"], (Mapping, list, tuple)) else f", got {shown(detail['input'])}"
            return f"{path}: expected {message}{got}" if "Input should" in str(detail["msg"]) else f"{path}: {message}"


def _steps(loc: object) -> tuple[object, ...]:
    return loc if isinstance(loc, tuple) else ()


_SECTIONS: dict[str, type[BaseModel]] = {"replies": Rule, "when": When, "tool_call": ToolCallScript}


def _known(steps: Iterable[object]) -> Iterable[str]:
    named = [step for step in steps if isinstance(step, str)]
    if named and named[-1] in ("fault", "faults"):
        (union, _) = get_args(Scenario)
        return {field for kind in get_args(union) for field in kind.model_fields}
    return (_SECTIONS[named[-1]] if named else ScriptOptions).model_fields
