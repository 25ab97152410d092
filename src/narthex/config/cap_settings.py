"""The options of limits: those that stand in the configuration, and what holds where several processes share them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from pydantic import Field

from narthex.config.problems import did_you_mean
from narthex.config.sections import Name, Seconds, Section
from narthex.types.accounts import DEFAULT_ORGANISATION
from narthex.types.limits import EACH, Limit, Measure, Period, SubjectKind, WindowKind, problems_of

CURRENCY: Final = "USD"
"""The one currency in which prices are known."""

MeasureWord = Literal["requests", "input_tokens", "output_tokens", "tokens", "cost_microusd", "parallel"]
PeriodWord = Literal["second", "minute", "hour", "day", "week", "month", "total"]


class CapSettings(Section):
    """How much somebody may use in a period."""

    name: Name = Field(description="By which it is told in errors and in reports.")
    key: str | None = Field(default=None, description="Limits this key, by its name; `*` each key separately.")
    workspace: str | None = Field(default=None, description="Limits this workspace, by its ID; `*` each separately.")
    member: str | None = Field(default=None, description="Limits this person, by their ID; `*` each separately.")
    model: str | None = Field(
        default=None, description="Limits calls of models that fit, such as `openai/*`; `*` each model separately."
    )
    tag: str | None = Field(
        default=None, description="Limits calls with this tag, as `name=value`; `name=*` each value separately."
    )
    end_user: str | None = Field(
        default=None, description="Limits this end user, by the `user` of requests; `*` each separately."
    )
    measure: MeasureWord = Field(description="What is counted; `parallel` are calls under way.")
    amount: int = Field(description="How much passes, money in microdollars; with 0 nothing does.")
    currency: str = Field(default=CURRENCY, description="Of an amount of money: `USD`.")
    period: PeriodWord = Field(default="total", description="For how long the amount is; `total` for ever.")
    window: WindowKind = Field(
        default="calendar",
        description="Whether the period begins with the calendar, in UTC, or is always the last one.",
    )
    burst: int | None = Field(
        default=None,
        description="Of a rolling second or minute: the amount comes in evenly, and so much of it can be saved.",
    )
    hard: bool = Field(default=True, description="Whether calls over it are refused; otherwise they are only told of.")
    alert_percents: tuple[int, ...] = Field(
        default=(), description="At which percentages of the amount somebody is told, once in each period."
    )


class MeteringSettings(Section):
    """What holds for limits that several processes share over Redis."""

    money_when_away: Literal["open", "closed"] = Field(
        default="closed",
        description="Calls with a limit of money while Redis is away: refused, or counted by each process alone.",
    )
    rates_when_away: Literal["open", "closed"] = Field(default="open", description="The same of all other limits.")
    hold_s: Seconds = Field(default=120.0, description="When a reservation lapses whose process is gone, in seconds.")


_SUBJECTS: Final = ("key", "workspace", "member", "model", "tag", "end_user")


def caps(settings: Sequence[CapSettings]) -> tuple[Limit, ...]:
    """Return the limits of the configuration."""
    return tuple(map(_limit, settings))


def _limit(given: CapSettings) -> Limit:
    kind, subject = _subject(given)
    return Limit(
        id=f"cap:{given.name}",
        subject_kind=kind,
        subject=subject,
        measure=Measure(given.measure),
        amount=given.amount,
        period=Period(given.period),
        window=given.window,
        burst=given.burst,
        hard=given.hard,
        alert_percents=given.alert_percents,
    )


def _subject(given: CapSettings) -> tuple[SubjectKind, str]:
    for name in _SUBJECTS:
        said: str | None = getattr(given, name)
        if said is not None:
            kind = SubjectKind(name)
            return kind, _key_id(said) if kind is SubjectKind.KEY else said
    return SubjectKind.ORGANISATION, DEFAULT_ORGANISATION


def _key_id(name: str) -> str:
    """Return by which ID calls of a key are charged: virtual keys have their own, the local user is `local`."""
    return name if name in {EACH, "local"} or name.startswith("key_") else f"config:{name}"


def cap_problems(
    settings: Sequence[CapSettings], *, keys: Sequence[str]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield what cannot hold in the limits of the configuration, with where it stands.

    Args:
        settings: The limits.
        keys: Names of the configured keys.
    """
    names: set[str] = set()
    for index, given in enumerate(settings):
        place = ("caps", index)
        if given.name in names:
            yield (*place, "name"), f'there are two limits named "{given.name}": each needs a name of its own'
        names.add(given.name)
        yield from (((*place, option), message) for option, message in _problems(given, keys))


def _problems(given: CapSettings, keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    if given.currency != CURRENCY:
        message = f'"{given.currency}" is no currency that prices are known in: amounts are in `{CURRENCY}`'
        yield "currency", message
    said = [name for name in _SUBJECTS if getattr(given, name) is not None]
    if len(said) > 1:
        yield said[1], f"a limit has one subject: keep `{said[0]}` or `{said[1]}`, and make two of it"
    yield from ((_option(given, field), message) for field, message in problems_of(_limit(given)))
    name = given.key
    if name is not None and _key_id(name).startswith("config:") and name not in keys:
        remedy = did_you_mean(name, keys, otherwise="; add it to `keys`")
        yield "key", f'there is no key named "{name}"{remedy}'


def _option(given: CapSettings, field: str) -> str:
    """Return the option that a field of a limit comes from."""
    if field not in {"subject", "subject_kind"}:
        return field
    return next((name for name in _SUBJECTS if getattr(given, name) is not None), "name")
