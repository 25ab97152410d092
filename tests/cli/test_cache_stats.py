"""How the cache does, as people read it."""

from __future__ import annotations

import msgspec

from narthex.cache.reports import CacheReport, FallReport, MinuteReport, SavedReport, TierReport
from narthex.cache.semantic.reports import CategoryReport, SemanticReport
from narthex.cli.cache_stats import (
    CATEGORY_HEAD,
    FIGURES,
    HEAD,
    categories,
    lines,
    of_meaning,
    rows,
    size,
    sparkline,
    warning,
)

NOW = 36_000.0
SAVED = SavedReport(input_tokens=1_200, output_tokens=300, usd="0.074")
TIER = TierReport(
    name="memory",
    hits=1_200,
    misses=400,
    hit_rate=0.75,
    latency_p50_us=5.44,
    latency_p99_us=1_850.0,
    bytes=58_500,
    max_bytes=134_217_728,
    entries=50,
    evicted=0,
    saved=SAVED,
    trend=[],
)
TOLD = CacheReport(
    enabled=True,
    mode="deterministic",
    everything=True,
    since=int(NOW) - 7_260,
    hits={"joined": 3, "hit": 1_200},
    misses={"absent": 400},
    refused={},
    stored=300,
    hit_rate=0.75046,
    fall=None,
    saved=SAVED,
    tiers=[TIER],
    trend=[],
    top=[],
    last_misses=[],
)


def minute(ago: int, hits: int, misses: int) -> MinuteReport:
    """Return a minute some minutes ago."""
    return MinuteReport(at=int(NOW) - ago * 60, hits=hits, misses=misses)


def test_a_bar_is_as_high_as_the_hit_rate_of_its_minutes() -> None:
    """Of three minutes each; what was quiet is a dot, and what lies before the first call nothing."""
    trend = [minute(70, 9, 0), minute(9, 0, 4), minute(8, 2, 2), minute(1, 5, 0), minute(0, 5, 0)]
    assert sparkline(trend, NOW) == "▁▅·█"
    assert sparkline([], NOW) == ""
    assert sparkline([minute(-1, 1, 0)], NOW) == ""


def test_the_whole_is_told_in_lines_that_begin_alike() -> None:
    """With the largest count first."""
    told = msgspec.structs.replace(TOLD, trend=[minute(1, 1, 0)])
    assert list(lines(told, NOW)) == [
        "on, mode deterministic; calls of all workspaces in 2 hours",
        "hit rate  75.0% of 1,603 calls  █",
        "saved     0.074 USD, 1,200 tokens in, 300 out",
        "answered  1,200 hit, 3 joined",
        "missed    400 absent",
        "not kept  none",
    ]
    quiet = msgspec.structs.replace(TOLD, enabled=False, everything=False, since=int(NOW), hits={}, misses={})
    first, second, *_ = lines(quiet, NOW)
    assert first == "off, mode deterministic; calls of your workspace in 0 minutes"
    assert second == "hit rate  no calls yet"
    assert next(lines(msgspec.structs.replace(TOLD, since=0), 50 * 3_600.0)).endswith("in 2 days")


def test_a_tier_is_a_row_below_the_head() -> None:
    """With what is not known as a dash."""
    away = msgspec.structs.replace(
        TIER, name="redis", hit_rate=None, latency_p50_us=None, latency_p99_us=412.4, bytes=None, entries=None
    )
    memory, redis, unbounded = rows([TIER, away, msgspec.structs.replace(TIER, max_bytes=None)], NOW)
    assert len(HEAD) == len(memory) == len(redis)
    assert max(FIGURES) < len(HEAD)
    assert memory == (
        *("memory", "75.0%", "", "1,200", "400", "5.4 µs", "1.9 ms"),
        *("58.5 KB of 134 MB", "50", "0", "0.074"),
    )
    assert (redis[1], *redis[5:9]) == ("-", "-", "412 µs", "-", "-")
    assert unbounded[7] == "58.5 KB"
    assert [size(count) for count in (7, 999, 134_217_728)] == ["7 B", "999 B", "134 MB"]


def test_a_fall_is_a_warning() -> None:
    """With what it was before."""
    assert warning(TOLD) is None
    fall = FallReport(hit_rate=0.2, usual_hit_rate=0.6, calls=200)
    said = warning(msgspec.structs.replace(TOLD, fall=fall))
    assert said == "far fewer calls are answered than before: 20.0% in ten minutes, 60.0% in the hour"


def test_questions_that_mean_the_same() -> None:
    """By category: how sure a pair must be, and what the samples say; whoever does not run the server is not told."""
    row = CategoryReport(
        category="fact",
        looks=1_200,
        hits=3,
        closed=True,
        least_probability=0.953,
        samples=None,
        wrong=None,
        highest_error=None,
    )
    told = SemanticReport(
        embedding_model="local/minilm",
        embedding_off=True,
        error_bound=0.02,
        questions=1,
        bytes=9,
        waiting_for_judge=0,
        categories=[row],
    )
    assert categories(told) == [("fact", "1,200", "3", "closed", "95.3%", "-", "-", "-")]
    assert len(CATEGORY_HEAD) == 8
    assert of_meaning(told) == (
        "questions that mean the same, by local/minilm, left alone for a while, as it is too slow; 1 question known"
    )
