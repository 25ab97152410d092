"""Recovery is counted per class of failure, and told to people and to Prometheus alike."""

from __future__ import annotations

import re

import pytest

from narthex.errors import Failure
from narthex.resilience.recovery import Recovery, RecoveryReport, Way


@pytest.fixture
def recovery() -> Recovery:
    """Counters after some trouble."""
    recovery = Recovery()
    for failure, times in ((Failure.STALL, 3), (Failure.OVERLOADED, 2), (Failure.INVALID_REQUEST, 1)):
        for _ in range(times):
            recovery.failed(failure)
    recovery.rescued(Failure.STALL, Way.CONTINUE)
    recovery.rescued(Failure.STALL, Way.FALLBACK)
    recovery.rescued(Failure.STALL, Way.FALLBACK)
    recovery.lost(Failure.OVERLOADED)
    return recovery


def test_each_class_has_its_own_account(recovery: Recovery) -> None:
    """Attempts, rescues by way and losses are kept apart by class; what never occurred is not shown."""
    stall, overloaded, invalid = sorted(recovery.snapshot(), key=lambda report: -report.attempts)
    assert stall == RecoveryReport(
        failure=Failure.STALL, attempts=3, rescued=3, lost=0, by_way={Way.CONTINUE: 1, Way.FALLBACK: 2}
    )
    assert (overloaded.attempts, overloaded.rescued, overloaded.lost, overloaded.by_way) == (2, 0, 1, {})
    assert (invalid.failure, invalid.attempts, invalid.lost) == (Failure.INVALID_REQUEST, 1, 0)


def test_a_quiet_process_has_nothing_to_tell() -> None:
    """Without failures there is no account, and Prometheus sees the names alone."""
    recovery = Recovery()
    assert recovery.snapshot() == ()
    assert all(line.startswith("#") for line in recovery.lines())


def test_every_class_and_way_can_be_counted() -> None:
    """No failure and no way is without its counter."""
    recovery = Recovery()
    for failure in Failure:
        recovery.failed(failure)
        recovery.lost(failure)
        for way in Way:
            recovery.rescued(failure, way)
    reports = recovery.snapshot()
    assert [report.failure for report in reports] == list(Failure)
    assert {(report.attempts, report.rescued, report.lost) for report in reports} == {(1, len(Way), 1)}


def test_prometheus_reads_the_same_figures(recovery: Recovery) -> None:
    """Every line is a comment or a sample of a declared counter, and the samples are the snapshot."""
    lines = list(recovery.lines())
    declared = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    samples: dict[str, int] = {}
    for line in (line for line in lines if not line.startswith("#")):
        read = re.fullmatch(r'(\w+)\{failure="(\w+)"(?:,way="(\w+)")?\} (\d+)', line)
        assert read
        assert read[1] in declared
        samples[f"{read[1]} {read[2]} {read[3]}"] = int(read[4])
    assert samples == {
        "narthex_failed_attempts_total overloaded None": 2,
        "narthex_failed_attempts_total stall None": 3,
        "narthex_failed_attempts_total invalid_request None": 1,
        "narthex_calls_rescued_total stall continue": 1,
        "narthex_calls_rescued_total stall fallback": 2,
        "narthex_calls_lost_total overloaded None": 1,
        "narthex_calls_lost_total stall None": 0,
        "narthex_calls_lost_total invalid_request None": 0,
    }
