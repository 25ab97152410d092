"""Counters add up, and are rendered as Prometheus reads them."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from narthex.telemetry.metrics import BUCKETS_S, MAX_SERIES, Histogram, Metrics

LINE = re.compile(r"^(?:# (?:HELP|TYPE) \S+ .+|[a-z_]+(?:\{(?:[a-z]+=\"(?:[^\"\\]|\\.)*\",?)*\})? -?[0-9.e+]+)$")


@given(st.lists(st.floats(min_value=0, max_value=1_000), max_size=50))
def test_every_time_falls_into_one_bucket(times: list[float]) -> None:
    """No time is lost or counted twice, and each is at most its bucket's bound."""
    histogram = Histogram()
    for seconds in times:
        histogram.observe(seconds)
    assert sum(histogram.counts) == len(times)
    for index, bound in enumerate(BUCKETS_S):
        assert sum(histogram.counts[: index + 1]) == sum(seconds <= bound for seconds in times)


@given(st.text(max_size=20))
def test_every_line_is_one_that_prometheus_reads(model: str) -> None:
    """Names of models with quotes, backslashes and new lines in them break no line."""
    metrics = Metrics()
    metrics.series("chat", model, "ok").requests += 1
    for line in metrics.render().removesuffix("\n").split("\n"):
        assert LINE.match(line), line


def test_what_is_counted_is_rendered() -> None:
    """Requests, tokens and times of a model stand under its labels, buckets cumulated."""
    metrics = Metrics()
    metrics.active = 2
    series = metrics.series("chat", "local/smollm2", "ok")
    series.requests += 3
    series.input_tokens += 10
    series.output_tokens += 20
    series.duration.observe(0.03)
    series.duration.observe(400.0)
    text = metrics.render()
    labels = 'operation="chat",model="local/smollm2",outcome="ok"'
    assert "narthex_requests_active 2\n" in text
    assert f"narthex_requests_total{{{labels}}} 3\n" in text
    assert f'narthex_tokens_total{{{labels},direction="output"}} 20\n' in text
    assert f'narthex_request_duration_seconds_bucket{{{labels},le="0.025"}} 0\n' in text
    assert f'narthex_request_duration_seconds_bucket{{{labels},le="0.05"}} 1\n' in text
    assert f'narthex_request_duration_seconds_bucket{{{labels},le="+Inf"}} 2\n' in text
    assert f"narthex_request_duration_seconds_count{{{labels}}} 2\n" in text
    assert f"narthex_request_duration_seconds_sum{{{labels}}} 400.030000\n" in text


def test_names_made_up_by_callers_cannot_fill_the_memory() -> None:
    """Beyond the limit, further models are counted together as `other`."""
    metrics = Metrics()
    for number in range(MAX_SERIES + 50):
        metrics.series("chat", f"model-{number}", "ok").requests += 1
    assert metrics.series("chat", "one-more", "ok").requests == 50
    assert metrics.render().count("narthex_requests_total{") == MAX_SERIES + 1


def test_copies_are_counted_apart() -> None:
    """No sum over callers' calls has a copy in it, whatever the query."""
    metrics = Metrics()
    metrics.shadows.active = 1
    metrics.shadows.series("chat", "trial/m", "ok").requests += 2
    text = metrics.render()
    assert (metrics.total, metrics.shadows.total) == (0, 3)
    assert 'narthex_shadow_requests_total{operation="chat",model="trial/m",outcome="ok"} 2\n' in text
    assert "narthex_shadow_requests_active 1\n" in text
    assert "\nnarthex_requests_total{" not in text
