"""The options of routing: virtual models with what they check and may spend, prices, and rules."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from narthex.config.sections import Name, Section
from narthex.routing.budgets import OnEmpty, Period
from narthex.routing.cascades import ToolCalls
from narthex.routing.conditions import By, Weekday
from narthex.routing.facts import Modality
from narthex.routing.virtual import Strategy


class MemberSettings(Section):
    """A model among those that a virtual model stands for."""

    model: str = Field(description="`provider/model`.")
    weight: float = Field(default=1.0, description="Its share of the calls, in proportion to the others'.")
    tier: int = Field(default=1, description="Members of tier 2 serve while none of tier 1 is available, and so on.")
    draining: bool = Field(default=False, description="Whether it gets no new calls.")


class CheckSettings(Section):
    """What an answer of a cascade must be like, or the next member is asked; everything that is given must hold."""

    finished: bool = Field(default=True, description="It was not cut by a limit of tokens, filtered or refused.")
    is_json: bool = Field(default=False, description="Its text is one JSON value.")
    json_schema: dict[str, object] | None = Field(default=None, description="Its text is JSON that fits this schema.")
    request_schema: bool = Field(
        default=False, description="Its text has the form that the request asks for: JSON, or JSON of a schema."
    )
    must_match: str | None = Field(default=None, description="A regular expression that is found in its text.")
    must_not_match: str | None = Field(
        default=None, description="A regular expression that is not found in its text, such as one of refusals."
    )
    min_characters: int | None = Field(default=None, ge=1, description="Least length of its text, in characters.")
    max_characters: int | None = Field(default=None, ge=1, description="Greatest length of its text, in characters.")
    tool_calls: ToolCalls = Field(
        default="pass",
        description='Whether an answer that calls tools passes: always, if its arguments fit ("valid"), or never.',
    )


class BudgetSettings(Section):
    """What a virtual model may spend, at an even pace."""

    usd: float = Field(gt=0, le=1e9, description="For each period, in US dollars; of each process by itself.")
    period: Period = Field(description="From the full hour, midnight or the first of the month on, in UTC.")
    on_empty: OnEmpty = Field(
        default="cheapest", description="Who serves when it is spent: the cheapest member, or nobody until it is over."
    )


class PriceSettings(Section):
    """What a model costs: for the ledger, for budgets, and for strategies that look at it."""

    input_usd_per_mtok: float = Field(ge=0, le=1e6, description="A million tokens read, in US dollars.")
    output_usd_per_mtok: float = Field(ge=0, le=1e6, description="A million tokens written, in US dollars.")
    cache_read_usd_per_mtok: float | None = Field(
        default=None, ge=0, le=1e6, description="A million read from the provider's cache; by default as any others."
    )
    cache_write_usd_per_mtok: float | None = Field(
        default=None, ge=0, le=1e6, description="A million written to the provider's cache; by default as any others."
    )
    cache_write_1h_usd_per_mtok: float | None = Field(
        default=None,
        ge=0,
        le=1e6,
        description="A million written to it that are kept for an hour; by default as the others written.",
    )
    reasoning_usd_per_mtok: float | None = Field(
        default=None, ge=0, le=1e6, description="A million tokens of reasoning; by default as any others written."
    )
    request_usd: float = Field(default=0.0, ge=0, le=1e6, description="Each call that is answered, in US dollars.")
    image_usd: float = Field(default=0.0, ge=0, le=1e6, description="Each picture that is made, in US dollars.")
    audio_second_usd: float = Field(
        default=0.0, ge=0, le=1e6, description="Each second of sound, heard or spoken, in US dollars."
    )
    batch_discount_percent: int = Field(
        default=0, ge=0, le=100, description="How much less all of it costs as a line of a batch."
    )


class VirtualSettings(Section):
    """A plain name that stands for several models."""

    members: tuple[MemberSettings, ...] = Field(description="The models; a plain `provider/model` will do for each.")
    strategy: Strategy = Field(default="order", description="How the members share the calls.")
    fallbacks: tuple[str, ...] = Field(default=(), description="Who serves when no member could, in order.")
    slow_start_s: float = Field(
        default=30.0, description="How long the share of a member that came back grows until it is whole, in seconds."
    )
    check: CheckSettings | None = Field(
        default=None, description='What an answer must be like, or the next member is asked; of a `"cascade"`.'
    )
    budget: BudgetSettings | None = Field(
        default=None, description='What may be spent: members stand from best to cheapest; of a `"paced"` one.'
    )

    @field_validator("members", mode="before")
    @classmethod
    def _plain_names(cls, given: object) -> object:
        """Take a plain name for a member."""
        if not isinstance(given, list | tuple):
            return given
        return tuple({"model": one} if isinstance(one, str) else one for one in given)


class HoursSettings(Section):
    """A part of the day."""

    start: str = Field(description="`HH:MM`.")
    end: str = Field(description="`HH:MM`, itself not in it; past midnight if it is before the start.")


class WhenSettings(Section):
    """Which calls a rule is about: all that is set must hold."""

    operations: tuple[Literal["chat", "embed", "count_tokens"], ...] = Field(
        default=("chat", "count_tokens"), description="What is asked; vectors only if they are named."
    )
    models: tuple[str, ...] = Field(default=(), description="Any of these is asked for; `*` stands for any characters.")
    tags: tuple[str, ...] = Field(default=(), description="All of these are among the call's `x-narthex-tags`.")
    callers: tuple[str, ...] = Field(default=(), description="A key of one of these names calls.")
    tenants: tuple[str, ...] = Field(default=(), description="A key of one of these tenants calls.")
    streaming: bool | None = Field(default=None, description="Whether the answer is streamed.")
    tools: bool | None = Field(default=None, description="Whether the call offers tools.")
    modalities: tuple[Modality, ...] = Field(default=(), description="It carries at least one of these.")
    min_input_tokens: int | None = Field(default=None, description="Fewest tokens of its prompt, estimated.")
    max_input_tokens: int | None = Field(default=None, description="Most tokens of its prompt, estimated.")
    hours: tuple[HoursSettings, ...] = Field(
        default=(), description='It comes within one of these parts of the day; `"22:00-06:00"` will do for each.'
    )
    weekdays: tuple[Weekday, ...] = Field(
        default=(), description="It comes on one of these; hours past midnight belong to the day before."
    )
    time_zone: str = Field(default="UTC", description="Of hours and weekdays, such as `Europe/Vienna`.")
    percentage: float = Field(default=100.0, description="Share of the calls for which all else holds, in per cent.")
    by: By = Field(default="key", description="What keeps its side of the percentage; `key` is the conversation.")

    @field_validator("hours", mode="before")
    @classmethod
    def _plain_hours(cls, given: object) -> object:
        """Take `22:00-06:00` for hours."""
        if not isinstance(given, list | tuple):
            return given
        return tuple(_hours(one) if isinstance(one, str) else one for one in given)


def _hours(text: str) -> dict[str, str]:
    start, _, end = text.partition("-")
    return {"start": start.strip(), "end": end.strip()}


class SplitSettings(Section):
    """A part of the calls that goes elsewhere."""

    model: str = Field(description="A model, an alias or a virtual model.")
    percentage: float = Field(description="Its share of the rule's calls, in per cent.")


class ShadowSettings(Section):
    """A model that gets a copy of calls, whose answers nobody waits for."""

    model: str = Field(description="A model, an alias or a virtual model.")
    percentage: float = Field(default=100.0, description="Share of the rule's calls that are copied, in per cent.")


class RuleSettings(Section):
    """What happens to some calls; the first rule that is about a call counts."""

    name: Name = Field(description="Shown in `x-narthex-route`.")
    when: WhenSettings = Field(default=WhenSettings(), description="Which calls it is about; by default every chat.")
    use: str | None = Field(default=None, description="Who serves: a model, an alias or a virtual model.")
    split: tuple[SplitSettings, ...] = Field(
        default=(), description="Who serves which part of the calls; the rest stays with the model asked for."
    )
    shadow: ShadowSettings | None = Field(
        default=None, description="Who gets a copy of each call, beside the answer; a plain name will do."
    )
    by: By = Field(default="key", description="What keeps its side of the split; `key` is the conversation.")

    @field_validator("shadow", mode="before")
    @classmethod
    def _plain_name(cls, given: object) -> object:
        """Take a plain name for a shadow."""
        return {"model": given} if isinstance(given, str) else given
