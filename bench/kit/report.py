"""The tables, as Markdown. A cell is the median over the rounds, with the best round in brackets."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from bench.kit import goals
from bench.kit.goals import Figure, Verdict
from bench.kit.records import About, Journal, Window
from bench.kit.scenarios import PACED_STREAM_S

NOTHING = "–"
Row = Sequence[str]


def render(journal: Journal) -> str:
    """Return the whole report."""
    names = list(dict.fromkeys(window.target for window in journal.all_windows()))
    parts = [
        "## Benchmark",
        _about(journal.about()),
        "### Goals",
        _goals(goals.judge(journal)),
        "### Whole answers (1.2 KB of JSON)",
        _whole(journal, names),
        "### CPU per request, by connections",
        _cost(journal, names, ("json-1", "json-16", "json-64", "json-256"), goals.cpu_per_answer),
        "### Streams at full speed (52 events)",
        _streams(journal, names),
        "### CPU per stream event, by streams",
        _cost(journal, names, ("sse-1", "sse-16", "sse-64", "long-16", "paced-64"), goals.cpu_per_event),
        f"### Paced streams (10 ms between events, 64 streams, {PACED_STREAM_S * 1000:.0f} ms each at best)",
        _paced(journal, names),
        "### Memory and start",
        _footprint(journal, names),
        "### Noise",
        _noise(journal, names),
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: Row, rows: Iterable[Row]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _number(value: float | None, digits: int | None = None) -> str:
    """Write a number with about three figures."""
    if value is None:
        return NOTHING
    if digits is None:
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def _spread(values: Sequence[float], *, best: str = "least", digits: int | None = None) -> str:
    """Write the median of the rounds, and the best of them in brackets."""
    if not values:
        return NOTHING
    chosen = min(values) if best == "least" else max(values)
    return f"{_number(statistics.median(values), digits)} ({_number(chosen, digits)})"


def _values(journal: Journal, name: str, scenario: str, figure: Figure) -> list[float]:
    found = [figure(window) for window in journal.windows(name, scenario)]
    return [value for value in found if value is not None]


def _rate(journal: Journal, name: str, scenario: str) -> str:
    return _spread([window.per_second for window in journal.windows(name, scenario)], best="most")


def _quantiles(journal: Journal, name: str, scenario: str, figure: str, *which: str) -> str:
    """Write quantiles in ms: medians over the rounds."""
    windows = [window for window in journal.windows(name, scenario) if window.answers_total]
    if not windows:
        return NOTHING
    measured: list[dict[str, float]] = [getattr(window, figure) for window in windows]
    return " / ".join(_number(statistics.median(each[quantile] for each in measured) / 1000) for quantile in which)


def _against(journal: Journal, name: str, scenario: str, figure: Figure) -> str:
    ratios = goals.ratios(journal, scenario, figure, of=name)
    return f"{_number(statistics.median(ratios))} ×" if ratios else NOTHING


def _about(about: About) -> str:
    machine = about.machine
    kind = "virtual machine" if machine["virtual"] else "machine"
    versions = ", ".join(f"{name} {version}" for name, version in about.versions.items() if version)
    where = (
        f"{kind.capitalize()}: {machine['cores']} cores of {machine['processor']}, {machine['memory_gb']} GB,"
        f" Linux {machine['kernel']}, Python {machine['python']}. {versions}."
    )
    how = (
        f"Gateway on one core, client and provider on another; {about.settings['rounds']} interleaved rounds of"
        f" {about.settings['window_s']} s a window. Cells: median of the rounds (best round)."
    )
    measured = [f"- **{name}**: {note}" for name, note in about.notes.items() if name not in about.missing]
    missing = [f"- {name}: not measured: {reason}" for name, reason in about.missing.items()]
    return "\n".join((where, how, "", *measured, *missing))


def _goals(verdicts: Iterable[Verdict]) -> str:
    words = {True: "met", False: "**missed**", None: "not measured"}
    rows = []
    for verdict in verdicts:
        sign = "<" if verdict.strict else "≤"
        best = min(verdict.values) if verdict.values else None
        value = NOTHING if verdict.value is None else f"{_number(verdict.value, 3)}{verdict.unit}"
        rows.append(
            (verdict.goal, f"{sign} {verdict.limit}{verdict.unit}", value, _number(best, 3), words[verdict.met])
        )
    return _table(("goal", "limit", "median", "best", ""), rows)


def _whole(journal: Journal, names: Sequence[str]) -> str:
    head = (
        "target", "answers/s at 1", "at 16", "at 64", "at 256", "CPU µs/request at 64", "× nginx",
        "added p50 at 1, µs", "p50 / p99 at 64, ms",
    )  # fmt: skip
    rows = (
        (
            name,
            *(_rate(journal, name, f"json-{connections}") for connections in (1, 16, 64, 256)),
            _spread(_values(journal, name, "json-64", goals.cpu_per_answer)) if name != "direct" else NOTHING,
            _against(journal, name, "json-64", goals.cpu_per_answer) if name != "direct" else NOTHING,
            _spread(goals.added_us(journal, "json-1", of=name)) if name != "direct" else NOTHING,
            _quantiles(journal, name, "json-64", "latency_us", "p50", "p99"),
        )
        for name in names
    )
    return _table(head, rows)


def _cost(journal: Journal, names: Sequence[str], scenarios: Sequence[str], figure: Figure) -> str:
    """CPU time in µs and as a multiple of nginx's, for each scenario."""
    rows = []
    for name in (name for name in names if name != "direct"):
        costs = (_spread(_values(journal, name, scenario, figure)) for scenario in scenarios)
        factors = (_against(journal, name, scenario, figure) for scenario in scenarios)
        rows.append((name, *(cell for pair in zip(costs, factors, strict=True) for cell in pair)))
    head = ("target", *(cell for scenario in scenarios for cell in (f"{scenario}, µs", "× nginx")))
    return _table(head, rows)


def _streams(journal: Journal, names: Sequence[str]) -> str:
    head = (
        "target",
        "streams/s at 1",
        "at 16",
        "at 64",
        "first byte p50 at 1, ms",
        "whole p50 at 1, ms",
        "whole p50 / p99 at 64, ms",
    )
    rows = (
        (
            name,
            *(_rate(journal, name, f"sse-{connections}") for connections in (1, 16, 64)),
            _quantiles(journal, name, "sse-1", "first_us", "p50"),
            _quantiles(journal, name, "sse-1", "latency_us", "p50"),
            _quantiles(journal, name, "sse-64", "latency_us", "p50", "p99"),
        )
        for name in names
    )  # fmt: skip
    return _table(head, rows)


def _paced(journal: Journal, names: Sequence[str]) -> str:
    head = (
        "target",
        "streams/s",
        "first byte p50 / p99, ms",
        "whole p50 / p99, ms",
        "between pieces p50 / p99, ms",
        "cores of CPU",
    )
    rows = (
        (
            name,
            _rate(journal, name, "paced-64"),
            _quantiles(journal, name, "paced-64", "first_us", "p50", "p99"),
            _quantiles(journal, name, "paced-64", "latency_us", "p50", "p99"),
            _quantiles(journal, name, "paced-64", "gap_us", "p50", "p99"),
            _spread([window.cpu_s / window.wall_s for window in journal.windows(name, "paced-64")]),
        )
        for name in names
    )  # fmt: skip
    return _table(head, rows)


def _footprint(journal: Journal, names: Sequence[str]) -> str:
    rows = []
    for name in (name for name in names if name != "direct"):
        starts = journal.starts(name)
        ready = [start.ready_s for start in starts if start.ready_s is not None]
        idle, loaded = (_number(journal.memory_mb(name, phase)) for phase in ("idle", "loaded"))
        rows.append((name, idle, loaded, _spread(ready), _spread([start.first_answer_s for start in starts])))
    imports = _spread(journal.imports_s(), digits=3)
    table = _table(("target", "memory idle, MB", "after load, MB", "says ready, s", "first answer, s"), rows)
    return f"{table}\n\nImport of the command line: {imports} s."


def _noise(journal: Journal, names: Sequence[str]) -> str:
    windows = journal.all_windows()
    others = [window.others_cores for window in windows]
    stolen = [window.stolen_cores for window in windows]
    spreads = ", ".join(f"{name} {_variation(journal, name)}" for name in names if name != "direct")
    wrong = [line for window in windows if (line := _wrong(window))]
    return "\n".join(
        (
            f"- Cores taken by other work: {_worst(others)}; kept back by the host: {_worst(stolen)}.",
            f"- CPU per request or event, spread between rounds (largest less least, by the median): {spreads}.",
            *(f"- Not counted: {line}" for line in wrong[:20]),
            *(["- Not counted: nothing; every answer was whole and right."] if not wrong else []),
        )
    )


def _worst(values: Sequence[float]) -> str:
    return f"median {_number(statistics.median(values))}, at worst {_number(max(values))}"


def _variation(journal: Journal, name: str) -> str:
    """Write how far a target's costs differ between rounds: the median over the scenarios."""
    spreads = []
    for scenario in dict.fromkeys(window.scenario for window in journal.all_windows()):
        figure = goals.cpu_per_answer if scenario.startswith("json") else goals.cpu_per_event
        values = _values(journal, name, scenario, figure)
        if len(values) > 1 and statistics.median(values):
            spreads.append((max(values) - min(values)) / statistics.median(values))
    return f"{statistics.median(spreads):.0%}" if spreads else NOTHING


def _wrong(window: Window) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in window.wrong.items() if count)
    late = f"{window.unfinished} unfinished" if window.unfinished else ""
    remembered = window.answers_total - window.upstream_requests
    unseen = f"{remembered} answers that the provider never gave" if remembered > 0 else ""
    what = ", ".join(part for part in (kinds, late, unseen) if part)
    return f"{window.target}, {window.scenario}, round {window.round}: {what}" if what else ""
