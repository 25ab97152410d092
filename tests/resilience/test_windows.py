"""A rolling window counts what is recent, and forgets what is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from narthex.resilience.windows import JointWindow, RollingWindow

LENGTH_S, BUCKETS = 10.0, 5
WIDTH_S = LENGTH_S / BUCKETS

KINDS = ("well", "failed", "slow")


@given(st.lists(st.tuples(st.floats(0, 7), st.sampled_from(KINDS)), max_size=60))
def test_it_holds_the_recent_and_nothing_else(steps: list[tuple[float, str]]) -> None:
    """Whatever is younger than the window less one bucket is counted, whatever is older than the window is not."""
    window = RollingWindow(LENGTH_S, BUCKETS)
    seen: list[tuple[float, str]] = []
    now_s = 100.0
    for passed_s, kind in steps:
        now_s += passed_s
        window.count(now_s, failed=kind == "failed", slow=kind == "slow")
        seen.append((now_s, kind))
        for counted, kinds in ((window.calls, KINDS), (window.failures, ("failed",)), (window.slow, ("slow",))):
            ages_s = [now_s - at_s for at_s, one in seen if one in kinds]
            # A hair's breadth of rounding is allowed at either edge.
            least = sum(age_s < LENGTH_S - WIDTH_S - 1e-6 for age_s in ages_s)
            most = sum(age_s <= LENGTH_S + 1e-6 for age_s in ages_s)
            assert least <= counted <= most


def test_a_failure_is_not_slow_as_well() -> None:
    """A call that took long and failed is one failure, not two faults."""
    window = RollingWindow(LENGTH_S, BUCKETS)
    window.count(0.0, failed=True, slow=True)
    assert (window.calls, window.failures, window.slow) == (1, 1, 0)


def test_idle_time_forgets_without_a_call() -> None:
    """Turned to a time past its end, the window is empty."""
    window = RollingWindow(LENGTH_S, BUCKETS)
    window.count(0.0, failed=True)
    window.turn_to(LENGTH_S - WIDTH_S)
    assert window.calls == 1
    window.turn_to(3 * LENGTH_S)
    assert (window.calls, window.failures) == (0, 0)


def test_a_clock_put_back_loses_nothing() -> None:
    """Counts made at an earlier time than the last are kept."""
    window = RollingWindow(LENGTH_S, BUCKETS)
    window.count(100.0)
    window.count(50.0)
    assert window.calls == 2


def test_cleared_it_knows_nothing() -> None:
    """After `clear` nothing is counted any more."""
    window = RollingWindow(LENGTH_S, BUCKETS)
    window.count(0.0, failed=True)
    window.clear()
    assert (window.calls, window.failures, window.slow) == (0, 0, 0)


def test_a_joint_window_reads_what_went_well_from_its_members() -> None:
    """Its calls are what went well with any, and what failed for all; a member's own failures are not its business."""
    members = [RollingWindow(LENGTH_S, BUCKETS), RollingWindow(LENGTH_S, BUCKETS)]
    joint = JointWindow(LENGTH_S, BUCKETS, lambda: members)
    members[0].count(0.0)
    members[0].count(0.0, failed=True)
    members[1].count(0.0, slow=True)
    joint.count(0.0, failed=True)
    joint.count(0.0)
    assert (joint.calls, joint.failures, joint.slow) == (3, 1, 1)
    joint.turn_to(100.0)
    assert (joint.calls, joint.failures, joint.slow) == (0, 0, 0)


def test_a_joint_window_forgets_with_its_members() -> None:
    """Where all of it is over, nothing that any member saw counts any longer."""
    member = RollingWindow(LENGTH_S, BUCKETS)
    joint = JointWindow(LENGTH_S, BUCKETS, lambda: [member])
    member.count(0.0, slow=True)
    joint.count(0.0, failed=True)
    joint.clear()
    assert (joint.calls, joint.failures, joint.slow, member.calls) == (0, 0, 0, 0)
