"""What is counted of the cache."""

from __future__ import annotations

import pytest

from narthex.cache.figures import LAST_MISSES, LATELY_S, MAX_OWNERS, MINUTES, CacheFigures, Savings


def test_hits_misses_and_savings_are_counted() -> None:
    """By kind and by reason, and what was not spent."""
    now = [120.0]
    figures = CacheFigures(lambda: now[0])
    figures.hit("hit", input_tokens=10, output_tokens=5, picousd=7)
    figures.hit("joined", input_tokens=1, output_tokens=1, picousd=0)
    now[0] = 185.0
    figures.miss("absent", request_id="req_1", model="up/m", scope="s", key=b"\x01")
    figures.refuse("length")
    assert figures.hits == {"hit": 1, "joined": 1}
    assert figures.saved == Savings(11, 6, 7)
    assert figures.hit_rate == 2 / 3
    assert [(one.at, one.hits, one.misses) for one in figures.trend] == [(120, 2, 0), (180, 0, 1)]
    assert figures.last_misses[0].request_id == "req_1"
    lines = list(figures.lines())
    assert 'narthex_cache_hits_total{kind="joined"} 1' in lines
    assert 'narthex_cache_misses_total{reason="absent"} 1' in lines
    assert 'narthex_cache_refused_total{reason="length"} 1' in lines
    assert "narthex_cache_saved_usd_total 0.000000000007" in lines


def test_before_any_call_there_is_no_rate() -> None:
    """Nothing of nothing is no share."""
    assert CacheFigures().hit_rate is None


def test_what_is_remembered_is_bounded() -> None:
    """Neither the trend nor the list of misses grows without end."""
    now = [0.0]
    figures = CacheFigures(lambda: now[0])
    for minute in range(MINUTES + 5):
        now[0] = minute * 60.0
        for _ in range(4):
            figures.miss("absent", request_id="r", model="m", scope="s", key=b"k")
    assert len(figures.trend) == MINUTES
    assert len(figures.last_misses) == LAST_MISSES


def test_each_owner_is_counted_alone() -> None:
    """Whatever the scope beneath; hits by the tier that had them, and misses are found by the call."""
    figures = CacheFigures(lambda: 0.0)
    figures.hit("hit", input_tokens=1, output_tokens=2, picousd=3, scope="workspace:a/key:k:n", tier="memory")
    figures.hit("error", input_tokens=0, output_tokens=0, picousd=0, scope="workspace:a", tier="memory")
    figures.miss("refresh", request_id="req_1", model="m", scope="workspace:a", key=b"k")
    figures.miss("absent", request_id="req_2", model="m", scope="workspace:b", key=b"k")
    figures.keep("workspace:a")
    figures.refuse("length", "workspace:b")
    own, other = figures.of("workspace:a"), figures.of("workspace:b")
    assert (own.hits, own.misses, own.stored, own.saved) == (
        {"hit": 1, "error": 1},
        {"refresh": 1},
        1,
        Savings(1, 2, 3),
    )
    assert (own.found, own.looks) == ({"memory": 1}, 1)
    assert (other.hits, other.misses, other.refused, other.looks) == ({}, {"absent": 1}, {"length": 1}, 1)
    assert figures.of("workspace:c").hit_rate is None
    found = figures.miss_of("req_2")
    assert found is not None
    assert found.scope == "workspace:b"
    assert figures.miss_of("req_3") is None


def test_owners_are_bounded() -> None:
    """The one that was counted first is forgotten first; the sums of all stay."""
    figures = CacheFigures(lambda: 0.0)
    for number in range(MAX_OWNERS + 1):
        figures.keep(f"workspace:{number}")
    assert (figures.of("workspace:0").stored, figures.of("workspace:1").stored) == (0, 1)
    assert figures.stored == MAX_OWNERS + 1


def test_a_miss_is_found_that_others_have_pushed_out() -> None:
    """Those of a busy workspace do not push out those of a quiet one."""
    figures = CacheFigures(lambda: 0.0)
    figures.miss("absent", request_id="quiet", model="m", scope="workspace:q", key=b"k")
    for _ in range(LAST_MISSES):
        figures.miss("absent", request_id="busy", model="m", scope="workspace:b", key=b"k")
    assert figures.miss_of("quiet") is not None


def test_a_sharp_fall_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """When the last ten minutes answer less than half of what the hour does, of enough calls; then again."""
    now = [0.0]
    figures = CacheFigures(lambda: now[0])

    def minutes(count: int, *, hits: int, misses: int) -> None:
        for _ in range(count):
            now[0] += 60
            for _ in range(hits):
                figures.hit("hit", input_tokens=0, output_tokens=0, picousd=0, scope="workspace:a")
            for _ in range(misses):
                figures.miss("absent", request_id="r", model="m", scope="workspace:a", key=b"k")

    minutes(30, hits=18, misses=2)
    minutes(5, hits=2, misses=18)
    assert not caplog.messages
    minutes(5, hits=2, misses=18)
    (said,) = caplog.messages
    assert said.startswith("the cache answers ")
    minutes(20, hits=18, misses=2)
    minutes(12, hits=0, misses=20)
    assert len(caplog.messages) == 2


def test_who_has_answers_made_anew_makes_nothing_fall(caplog: pytest.LogCaptureFixture) -> None:
    """As warming does: such calls are counted, and count for no share of calls that might have been answered."""
    now = [0.0]
    figures = CacheFigures(lambda: now[0])
    for minute in range(40):
        now[0] = minute * 60.0
        figures.hit("hit", input_tokens=0, output_tokens=0, picousd=0)
        for _ in range(50 if minute > 20 else 0):
            figures.miss("refresh", request_id="r", model="m", scope="s", key=b"k")
    assert not caplog.messages
    assert (figures.fall(), figures.hit_rate, figures.misses) == (None, 1.0, {"refresh": 950})


def test_what_is_too_large_is_said_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    """And counted each time."""
    now = [0.0]
    figures = CacheFigures(lambda: now[0])
    with caplog.at_level("INFO"):
        for now[0] in (0, 1, LATELY_S, LATELY_S + 1):
            figures.refuse("too large", "workspace:a")
            figures.refuse("length", "workspace:a")
    assert len(caplog.messages) == 2
    assert figures.refused == {"too large": 4, "length": 4}


def test_of_few_calls_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """A quiet night is no fall."""
    now = [0.0]
    figures = CacheFigures(lambda: now[0])
    for minute in range(40):
        now[0] = minute * 60.0
        for _ in range(9):
            if minute < 25:
                figures.hit("hit", input_tokens=0, output_tokens=0, picousd=0)
            else:
                figures.miss("absent", request_id="r", model="m", scope="s", key=b"k")
    assert not caplog.messages
