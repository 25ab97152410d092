"""Reads what providers say that they have billed: the answers of their reports, and tables.

- OpenAI, costs and usage of the organisation: https://platform.openai.com/docs/api-reference/usage
- Anthropic, cost report and usage report: https://platform.claude.com/docs/en/api/admin/cost_report
- FOCUS, the open format for costs: https://focus.finops.org/focus-specification/v1-2/
- any table in CSV with a day, a model, and a cost or tokens, such as what the consoles of providers export.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

import msgspec

from narthex.errors import InvalidRequest
from narthex.ledger.periods import DAY_MS
from narthex.ledger.reconciling.lines import Line, Statement, count_of, day_of, money_of

MAX_BYTES: Final = 64 * 1024 * 1024
_CENTS: Final = 100
_Object = Mapping[str, object]

_COLUMNS: Final[Mapping[str, str]] = {
    "day": "date day start_time_iso usage_date_utc usage_date start_date timestamp start_time starting_at "
    "chargeperiodstart",
    "model": "model model_version line_item x_model resourcename resourceid",
    "cost": "cost_usd amount_value billedcost total_cost cost amount",
    "currency": "currency amount_currency billingcurrency",
    "provider": "provider providername",
    "category": "chargecategory",
}
"""Names of columns, without regard to capitals, in the order in which they are looked for."""
_TOKENS: Final[Mapping[str, tuple[str, ...]]] = {
    "input_tokens": ("input_tokens prompt_tokens x_inputtokens",),
    "uncached": ("uncached_input_tokens input_uncached_tokens usage_input_tokens_no_cache",),
    "cache_read_tokens": (
        "cache_read_tokens input_cached_tokens cache_read_input_tokens usage_input_tokens_cache_read x_cachereadtokens",
    ),
    "cache_write_tokens": (
        "cache_write_tokens cache_creation_input_tokens usage_input_tokens_cache_write_5m x_cachewritetokens",
        "usage_input_tokens_cache_write_1h",
    ),
    "output_tokens": ("output_tokens completion_tokens usage_output_tokens x_outputtokens",),
}
"""The same of tokens; of several groups one of each is counted."""
_BILLED: Final = frozenset({"", "usage", "adjustment"})
"""Of FOCUS's categories of charges: no taxes, purchases or credits."""


def read_statement(data: bytes) -> Statement:
    """Read a statement, whatever its form.

    Raises:
        InvalidRequest: It has none of the forms that are known, or says what cannot be.
    """
    if len(data) > MAX_BYTES:
        raise InvalidRequest(f"the statement is longer than {MAX_BYTES >> 20} MiB: give it month by month")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest("the statement is no text in UTF-8: give it as JSON or CSV") from error
    return _read_report(text) if text.lstrip()[:1] in {"{", "["} else _read_table(text)


# -- reports in JSON ---------------------------------------------------------------------------------------------------


def _read_report(text: str) -> Statement:
    buckets = list(_buckets(_pages(text)))
    if not buckets:
        raise InvalidRequest("the statement has no day: expected `data` with a bucket for each, as the reports answer")
    lines: list[Line] = []
    days: set[int] = set()
    for bucket in buckets:
        start = bucket.get("start_time", bucket.get("starting_at"))
        day = day_of(start)
        days.add(day)
        results = bucket.get("results", bucket.get("result")) or []
        lines += [_of_result(day, result) for result in _objects(results)]
    form = lines[0].provider if lines else "report"
    return Statement(form, tuple(lines), frozenset(days))


def _pages(text: str) -> Iterator[_Object]:
    """Yield the pages of a report: one, or several in a list, or one a line."""
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        try:
            document = [msgspec.json.decode(line) for line in text.splitlines() if line.strip()]
        except msgspec.DecodeError:
            raise InvalidRequest(f"the statement is no JSON: {error}") from error
    yield from _objects(document if isinstance(document, list) else [document])


def _buckets(pages: Iterator[_Object]) -> Iterator[_Object]:
    for page in pages:
        found = list(_objects(page.get("data")))
        if page.get("has_more") and not found:
            raise InvalidRequest("the statement has a page without days")
        yield from found


def _objects(value: object) -> Iterator[_Object]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise InvalidRequest("the statement is no report of costs or usage: expected objects in lists, as they answer")
    yield from cast("list[_Object]", value)


def _of_result(day: int, result: _Object) -> Line:
    amount, model = result.get("amount"), str(result.get("model") or "")
    if isinstance(amount, dict):
        # What a line item is for stands behind its model: "gpt-5-mini-2025-08-07, input".
        item = str(result.get("line_item") or "").partition(",")[0].strip()
        cost = money_of(amount.get("value", 0), amount.get("currency"))
        return Line("openai", day, model or item, {"cost_picousd": cost})
    if amount is not None:
        return Line("anthropic", day, model, {"cost_picousd": money_of(amount, result.get("currency"), per_usd=_CENTS)})
    if "uncached_input_tokens" in result:
        return Line("anthropic", day, model, _anthropic_tokens(result))
    if "input_tokens" in result:
        told = {"input_tokens": "input_tokens", "output_tokens": "output_tokens"}
        if "input_cached_tokens" in result:
            told["cache_read_tokens"] = "input_cached_tokens"
        return Line("openai", day, model, {ours: count_of(result.get(theirs) or 0) for ours, theirs in told.items()})
    raise InvalidRequest("the statement has a result with neither an `amount` nor tokens")


def _anthropic_tokens(result: _Object) -> Mapping[str, int]:
    created = result.get("cache_creation")
    written = sum(count_of(one or 0) for one in created.values()) if isinstance(created, dict) else 0
    read = count_of(result.get("cache_read_input_tokens") or 0)
    return {
        "input_tokens": count_of(result.get("uncached_input_tokens") or 0) + read + written,
        "output_tokens": count_of(result.get("output_tokens") or 0),
        "cache_read_tokens": read,
        "cache_write_tokens": written,
    }


# -- tables ------------------------------------------------------------------------------------------------------------


def _read_table(text: str) -> Statement:
    head = text.lstrip().partition("\n")[0]
    delimiter = max(",\t;", key=head.count)
    rows = csv.reader(io.StringIO(text.lstrip(), newline=""), delimiter=delimiter)
    names = [name.strip().lower() for name in next(rows, [])]
    table = _Table(names)
    try:
        lines = [line for row in rows if any(row) and (line := table.line(row)) is not None]
    except csv.Error as error:
        raise InvalidRequest(f"the statement is no table: {error}") from error
    if not lines:
        raise InvalidRequest("the statement has no rows")
    days = [line.day for line in lines]
    # A table has no rows for days on which nothing was used.
    return Statement(table.form, tuple(lines), frozenset(range(min(days), max(days) + DAY_MS, DAY_MS)))


class _Table:
    """Where the columns of a table are."""

    def __init__(self, names: Sequence[str]) -> None:
        places = {name: place for place, name in reversed(list(enumerate(names)))}

        def of(known: str) -> int | None:
            return next((places[name] for name in known.split() if name in places), None)

        self._columns = {what: of(known) for what, known in _COLUMNS.items()}
        self._tokens = {
            name: [place for known in groups if (place := of(known)) is not None] for name, groups in _TOKENS.items()
        }
        self.form = "focus" if "billedcost" in places and "chargeperiodstart" in places else "table"
        told = self._columns["cost"] is not None or any(self._tokens.values())
        if self._columns["day"] is None or not told:
            raise InvalidRequest(
                "the statement is a table without a day and a cost or tokens: expected columns such as `date`, "
                f"`model`, `cost_usd`, `input_tokens`, `output_tokens`; it has {', '.join(names)[:200]}"
            )

    def line(self, row: Sequence[str]) -> Line | None:
        """Return what a row tells; None for what is not billed for use."""
        if self._cell(row, "category").lower() not in _BILLED:
            return None
        provider, model = self._cell(row, "provider").lower(), self._cell(row, "model").partition(",")[0].strip()
        amounts = self._amounts(row)
        return Line(provider, day_of(self._cell(row, "day")), model, amounts) if amounts else None

    def _amounts(self, row: Sequence[str]) -> dict[str, int]:
        amounts = {
            name: sum(count_of(row[place]) for place in places if place < len(row))
            for name, places in self._tokens.items()
            if places
        }
        uncached = amounts.pop("uncached", None)
        if uncached is not None and "input_tokens" not in amounts:
            parts = amounts.get("cache_read_tokens", 0) + amounts.get("cache_write_tokens", 0)
            amounts["input_tokens"] = uncached + parts
        if self._columns["cost"] is not None:
            amounts["cost_picousd"] = money_of(self._cell(row, "cost") or "0", self._cell(row, "currency"))
        return amounts

    def _cell(self, row: Sequence[str], what: str) -> str:
        place = self._columns[what]
        return row[place].strip() if place is not None and place < len(row) else ""
