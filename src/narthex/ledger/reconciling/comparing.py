"""Holds the ledger against a statement, and brings it to that by entries of its own.

What was written down once is never changed: a difference becomes one entry of the kind `correction`, whose cost and
tokens may be below zero. Its ID tells what it corrects, and the how-manieth it is, so that it is written once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Final

import msgspec
from sqlalchemy import Connection, func, select

from narthex.errors import InvalidRequest
from narthex.ledger.dimensions import ENTRIES
from narthex.ledger.entries import CORRECTED_PRICE, Entry
from narthex.ledger.focus import CORRECTION
from narthex.ledger.money import usd
from narthex.ledger.periods import DAY_MS, iso
from narthex.ledger.reconciling.lines import MEASURES, Line, Statement, summed
from narthex.ledger.rows import add_entries
from narthex.ledger.usage import Sums, question, usage
from narthex.types.accounts import DEFAULT_ORGANISATION, DEFAULT_WORKSPACE

ALL_MODELS: Final = "(all models)"
"""In place of a model, where a statement does not tell them apart."""
OTHER: Final = "(other)"
"""In place of a model, for what is billed beside models, such as searches."""
_DATED: Final = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")

_WHOLE: Final = ""
"""In place of a status: attempts of all of them."""
_Key = tuple[str, int, str]


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What a statement is about, and where corrections are booked."""

    provider: str = ""
    """Whose it is, by the name in the configuration; empty to go by what the statement tells."""
    organisation_id: str = DEFAULT_ORGANISATION
    workspace_id: str = DEFAULT_WORKSPACE
    alone: bool = False
    """Whether it is about the calls of that workspace alone."""
    names: Mapping[str, str] = {}
    """Names of models in the statement, and what the ledger calls them."""
    tolerance_picousd: int = 0
    """Differences in cost up to which nothing is said, where tokens do not differ."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What differs for one model on one day."""

    provider: str
    day: int
    model: str
    """As the ledger calls it."""
    stated: Mapping[str, int]
    """Those of `MEASURES` that the statement tells."""
    booked: Mapping[str, int]
    """The same in the ledger, with earlier corrections."""
    explained: tuple[str, ...]
    """What in the ledger may explain it."""

    @property
    def missing(self) -> Mapping[str, int]:
        """What is to be added to the ledger; what it has too much of is below zero."""
        return {name: amount - self.booked[name] for name, amount in self.stated.items()}


def compare(connection: Connection, statement: Statement, scope: Scope) -> Sequence[Difference]:
    """Return what differs, in order of days and models.

    Raises:
        InvalidRequest: It is not known whose statement it is.
    """
    stated = _stated(statement, scope)
    providers = sorted({provider for provider, _, _ in stated} or ({scope.provider} - {""}))
    booked = {key: told for provider in providers for key, told in _booked(connection, statement, provider, scope)}
    lines = _matched(stated, booked, scope)
    measures = {name for amounts in lines.values() for name in amounts}
    for key in booked:
        # Of what the statement does not mention it says that nothing was used.
        lines.setdefault(key, dict.fromkeys(sorted(measures), 0))
    found = (_difference(key, amounts, booked.get(key, {})) for key, amounts in sorted(lines.items()))
    return [one for one in found if _matters(one, scope)]


def apply(
    connection: Connection, statement: Statement, scope: Scope, accepted: Sequence[Difference] | None = None
) -> Sequence[Entry]:
    """Write what brings the ledger to a statement, within a transaction; return the entries that were not there.

    Args:
        connection: In a transaction.
        statement: What was billed.
        scope: What it is about.
        accepted: What was looked at before; what came between is left for the next time. None for all.
    """
    wanted = None if accepted is None else {(one.provider, one.day, one.model) for one in accepted}
    written: list[Entry] = []
    for one in compare(connection, statement, scope):
        if wanted is None or (one.provider, one.day, one.model) in wanted:
            entry = _correction(connection, one, scope)
            if add_entries(connection, [entry]):
                written.append(entry)
    return written


def _stated(statement: Statement, scope: Scope) -> Mapping[_Key, dict[str, int]]:
    lines: list[Line] = []
    for line in statement.lines:
        provider = scope.provider or line.provider
        if not provider:
            message = "the statement does not tell whose it is: name the provider as it is configured (`--provider`)"
            raise InvalidRequest(message, param="provider")
        lines.append(line._replace(provider=provider))
    return summed(tuple(lines))


def _booked(
    connection: Connection, statement: Statement, provider: str, scope: Scope
) -> Iterable[tuple[_Key, Mapping[str, Sums]]]:
    """Yield what the ledger has of a provider for each day and model: all of it, and by the status of its attempts.

    All of it is read from the sums, which stay where entries are removed by their age.
    """
    where = {"provider": [provider]} | ({"workspace": [scope.workspace_id]} if scope.alone else {})
    found: dict[_Key, dict[str, Sums]] = {}
    for since, until in _runs(statement.days):
        for by in (["model"], ["model", "status", "kind"]):
            for row in usage(connection, question(since=since, until=until, by=by, period="day", where=where)):
                model, status, kind = (*row.values, _WHOLE, "")[:3]
                known = found.setdefault((provider, row.start or 0, model), {})
                known.setdefault(kind if kind == CORRECTION else status, Sums()).add(row.sums)
    return found.items()


def _matched(
    stated: Mapping[_Key, dict[str, int]], booked: dict[_Key, Mapping[str, Sums]], scope: Scope
) -> dict[_Key, dict[str, int]]:
    """Return what is stated by the names of the ledger; where no models are told, the ledger's are put together."""
    by_model = {(provider, day) for provider, day, model in stated if model}
    names: dict[str, set[str]] = {}
    for provider, _, model in booked:
        names.setdefault(provider, set()).add(model)
    found: dict[_Key, dict[str, int]] = {}
    for (provider, day, model), amounts in stated.items():
        if model:
            own = _named(provider, model, names.get(provider, set()), scope)
        elif (provider, day) in by_model:
            own = f"{provider}/{OTHER}"
        else:
            own = f"{provider}/{ALL_MODELS}"
            _put_together(booked, provider, day, own)
        known = found.setdefault((provider, day, own), {})
        for name, amount in amounts.items():
            known[name] = known.get(name, 0) + amount
    return found


def _put_together(booked: dict[_Key, Mapping[str, Sums]], provider: str, day: int, name: str) -> None:
    together: dict[str, Sums] = {}
    for key in [key for key in booked if key[:2] == (provider, day)]:
        for status, sums in booked.pop(key).items():
            together.setdefault(status, Sums()).add(sums)
    if together:
        booked[provider, day, name] = together


def _named(provider: str, model: str, known: set[str], scope: Scope) -> str:
    """Return what the ledger calls a model: calls name it with or without the date of its snapshot."""
    if model in scope.names:
        own = scope.names[model]
        return own if own.startswith(f"{provider}/") else f"{provider}/{own}"
    name = model if model.startswith(f"{provider}/") else f"{provider}/{model}"
    if name in known:
        return name
    plain = _DATED.sub("", name)
    alike = [one for one in known if plain in (one, _DATED.sub("", one))]
    return plain if plain in known else alike[0] if len(alike) == 1 else name


def _difference(key: _Key, stated: Mapping[str, int], told: Mapping[str, Sums]) -> Difference:
    provider, day, model = key
    whole = told.get(_WHOLE, Sums())
    booked = {name: int(getattr(whole, name)) for name in MEASURES}
    return Difference(
        provider=provider,
        day=day,
        model=model,
        stated=stated,
        booked=booked,
        explained=tuple(_explained(stated, booked, told, whole)),
    )


def _explained(
    stated: Mapping[str, int], booked: Mapping[str, int], told: Mapping[str, Sums], whole: Sums
) -> Iterable[str]:
    """Yield what may be the reason."""
    if not told:
        yield "the ledger has nothing of it: it was called past this server, or is called otherwise here (`--map`)"
        return
    if not any(stated.values()):
        yield "the statement has nothing of it: it was not billed yet, or is called otherwise there (`--map`)"
    if whole.estimated:
        yield f"{whole.estimated} attempts are estimated, {usd(whole.estimated_picousd)} USD of them"
    if whole.unpriced_attempts:
        yield f"{whole.unpriced_attempts} attempts, with {whole.unpriced_tokens} tokens, have no price here"
    for status, says in (("cut", "were cut"), ("interrupted", "were interrupted by the end of a server")):
        if status in told:
            yield f"{told[status].attempts} attempts {says}"
    if "failed" in told:
        yield f"{told['failed'].attempts} attempts failed, and are not charged here"
    if CORRECTION in told:
        yield f"{usd(told[CORRECTION].cost_picousd)} USD were corrected before"
    counted = [name for name in stated if name != "cost_picousd"]
    if counted and "cost_picousd" in stated and all(stated[name] == booked[name] for name in counted):
        yield "the tokens are the same: the price differs"


def _matters(one: Difference, scope: Scope) -> bool:
    missing = dict(one.missing)
    cost = missing.pop("cost_picousd", 0)
    return abs(cost) > scope.tolerance_picousd or any(missing.values())


def _correction(connection: Connection, one: Difference, scope: Scope) -> Entry:
    place = (scope.organisation_id, scope.workspace_id)
    what = "\0".join((*place, str(scope.alone), one.provider, str(one.day), one.model))
    stem = f"cor_{blake2b(what.encode(), digest_size=16).hexdigest()}"
    before = connection.scalar(select(func.count()).where(ENTRIES.c.request_id == stem)) or 0
    entry = Entry(
        *(f"{stem}:{before}", one.day, CORRECTION, "settled", stem, before, CORRECTION),
        *(*place, "", "", "", ""),
        *(CORRECTION, "statement", one.provider[:64], one.model[:200], "", "ok"),
        requests=0,
        price_id=CORRECTED_PRICE,
    )
    return msgspec.structs.replace(entry, **one.missing)


def _runs(days: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Yield the spans that days make up."""
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and runs[-1][1] == day:
            runs[-1][1] += DAY_MS
        else:
            runs.append([day, day + DAY_MS])
    return ((since, until) for since, until in runs)


def told(one: Difference) -> Mapping[str, object]:
    """Return what is told of a difference: costs in US dollars, exactly."""

    def amounts(values: Mapping[str, int]) -> Mapping[str, object]:
        return {
            ("cost_usd" if name == "cost_picousd" else name): (usd(value) if name == "cost_picousd" else value)
            for name, value in values.items()
        }

    return {
        "day": iso(one.day)[:10],
        "provider": one.provider,
        "model": one.model,
        "statement": amounts(one.stated),
        "ledger": amounts({name: one.booked[name] for name in one.stated}),
        "difference": amounts(one.missing),
        "explained": list(one.explained),
    }
