"""How the cache does, as people read it on a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from narthex.cache.reports import CacheReport, MinuteReport, TierReport
from narthex.cache.semantic.reports import SemanticReport
from narthex.cli.terminal import counted, printable

_BARS: Final = "▁▂▃▄▅▆▇█"
_HOUR_S: Final = 3_600
_BAR_S: Final = 180
"""What a bar stands for: the hour is twenty of them."""
_UNITS: Final = ("B", "KB", "MB", "GB", "TB")

HEAD: Final = ("TIER", "HIT RATE", "LAST HOUR", "HITS", "MISSES", "P50", "P99", "HELD", "ANSWERS", "EVICTED", "SAVED")
CATEGORY_HEAD: Final = ("CATEGORY", "LOOKS", "HITS", "STATE", "SURE FROM", "SAMPLES", "WRONG", "ERROR AT MOST")
CATEGORY_FIGURES: Final = frozenset({1, 2, 4, 5, 6, 7})
FIGURES: Final = frozenset({1, 3, 4, 5, 6, 7, 8, 9, 10})
"""Columns of figures."""


def lines(told: CacheReport, now: float | None = None) -> Iterator[str]:
    """Yield what is said of the cache as a whole, at a moment in seconds of Unix time."""
    now = time.time() if now is None else now
    whose = "all workspaces" if told.everything else "your workspace"
    yield f"{'on' if told.enabled else 'off'}, mode {told.mode}; calls of {whose} in {_span(now - told.since)}"
    asked = sum(told.hits.values()) + sum(count for why, count in told.misses.items() if why != "refresh")
    if asked:
        rate = f"{_rate(told.hit_rate)} of {counted(asked, 'call')}"
        yield f"hit rate  {rate}  {sparkline(told.trend, now)}".rstrip()
    else:
        yield "hit rate  no calls yet"
    saved = told.saved
    yield f"saved     {saved.usd} USD, {saved.input_tokens:,} tokens in, {saved.output_tokens:,} out"
    yield f"answered  {_counted(told.hits)}"
    yield f"missed    {_counted(told.misses)}"
    yield f"not kept  {_counted(told.refused)}"


def warning(told: CacheReport) -> str | None:
    """Return what is wrong, if something is."""
    if told.fall is None:
        return None
    lately, usual = _rate(told.fall.hit_rate), _rate(told.fall.usual_hit_rate)
    return f"far fewer calls are answered than before: {lately} in ten minutes, {usual} in the hour"


def rows(tiers: Sequence[TierReport], now: float | None = None) -> list[tuple[str, ...]]:
    """Return the rows of a table of tiers, below `HEAD`."""
    now = time.time() if now is None else now
    return [
        (
            *(printable(one.name), _rate(one.hit_rate), sparkline(one.trend, now)),
            *(f"{one.hits:,}", f"{one.misses:,}", _latency(one.latency_p50_us), _latency(one.latency_p99_us)),
            *(_held(one), _cell(one.entries), _cell(one.evicted), one.saved.usd),
        )
        for one in tiers
    ]


def of_meaning(told: SemanticReport) -> str:
    """Return what is said of answers to questions that mean the same, above the table of their categories."""
    off = ", left alone for a while, as it is too slow" if told.embedding_off else ""
    known = "" if told.questions is None else f"; {counted(told.questions, 'question')} known"
    return f"questions that mean the same, by {printable(told.embedding_model)}{off}{known}"


def categories(told: SemanticReport) -> list[tuple[str, ...]]:
    """Return the rows of a table of categories, below `CATEGORY_HEAD`."""
    return [
        (
            *(one.category, f"{one.looks:,}", f"{one.hits:,}", "closed" if one.closed else "open"),
            *(_rate(one.least_probability), _cell(one.samples), _cell(one.wrong), _rate(one.highest_error)),
        )
        for one in told.categories
    ]


def sparkline(trend: Sequence[MinuteReport], now: float) -> str:
    """Return a bar for each three minutes of the last hour, as high as the hit rate; a dot where nothing was asked."""
    hits, asked = [0] * (_HOUR_S // _BAR_S), [0] * (_HOUR_S // _BAR_S)
    for minute in trend:
        place = len(hits) - 1 - int((now - minute.at) // _BAR_S)
        if 0 <= place < len(hits):
            hits[place] += minute.hits
            asked[place] += minute.hits + minute.misses
    return "".join(_bar(one, all_of_them) for one, all_of_them in zip(hits, asked, strict=True)).lstrip("·")


def _bar(hits: int, asked: int) -> str:
    return "·" if not asked else _BARS[min(len(_BARS) - 1, hits * len(_BARS) // asked)]


def _counted(counts: Mapping[str, int]) -> str:
    ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{count:,} {printable(word)}" for word, count in ranked) or "none"


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1%}"


def _cell(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _latency(time_us: float | None) -> str:
    if time_us is None:
        return "-"
    if time_us < 1_000:
        return f"{time_us:.1f} µs" if time_us < 10 else f"{time_us:.0f} µs"
    return f"{time_us / 1_000:.1f} ms"


def _held(tier: TierReport) -> str:
    if tier.bytes is None:
        return "-"
    return size(tier.bytes) if tier.max_bytes is None else f"{size(tier.bytes)} of {size(tier.max_bytes)}"


def size(count: int) -> str:
    """Return a number of bytes as people read it: `58.5 KB`."""
    value, unit = float(count), 0
    while value >= 1_000 and unit < len(_UNITS) - 1:
        value, unit = value / 1_000, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 or value >= 100 else f"{value:.1f} {_UNITS[unit]}"


def _span(time_s: float) -> str:
    minutes = int(max(0, time_s) // 60)
    if minutes < 60:
        return counted(minutes, "minute")
    hours = minutes // 60
    return counted(hours, "hour") if hours < 48 else counted(hours // 24, "day")
