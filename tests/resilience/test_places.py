"""Each target has a limit of its own, by the settings of its provider."""

from __future__ import annotations

import pytest

from narthex.resilience import places as module
from narthex.resilience.concurrency import CALM_S, LimitPolicy
from narthex.resilience.places import Places
from narthex.testing.clock import FakeClock
from narthex.wire.rate_limits import Side, Told


def test_each_target_has_its_own() -> None:
    """The same name has the same limit, and what one target says is not held against another."""
    places = Places()
    permit = places.of("a/m").try_acquire()
    assert permit is not None
    permit.crowded()
    assert places.of("a/m").report().limit == 1
    assert places.of("b/m").report().limit is None
    assert [name for name, _ in places.snapshot()] == ["a/m", "b/m"]


def test_a_provider_may_have_its_own_maximum() -> None:
    """The figure of the provider counts for each of its models, and that of the settings for all others."""
    places = Places(LimitPolicy(maximum=50), maximums={"small": 2})
    assert [places.of(name).report().limit for name in ("small/a", "small/b/c", "large/a")] == [2, 2, 50]
    places.adopt(LimitPolicy(), {"large": 7})
    assert [places.of(name).report().limit for name in ("small/a", "small/b/c", "large/a")] == [None, None, 7]
    assert places.of("large/new").report().limit == 7


def test_there_are_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that nobody asks for make room, and those in use or with something learned stay."""
    monkeypatch.setattr(module, "MOST", 3)
    places = Places(clock=FakeClock())
    busy, taught = places.of("busy/m").try_acquire(), places.of("taught/m").try_acquire()
    assert busy is not None
    assert taught is not None
    taught.crowded()
    for number in range(10):
        places.of(f"idle/{number}")
    assert [name for name, _ in places.snapshot()] == ["busy/m", "idle/9", "taught/m"]
    assert places.of("idle/9").try_acquire() is not None
    places.of("one/more")
    assert len(places.snapshot()) == 4
    busy.succeeded()


def test_prometheus_is_told() -> None:
    """Every figure has its line; the limit only where there is one."""
    places = Places(maximums={"small": 2})
    places.of("small/m").try_acquire()
    places.of('odd"\\\n/m')
    lines = list(places.lines())
    assert 'narthex_model_in_flight{model="small/m"} 1' in lines
    assert [line for line in lines if line.startswith("narthex_model_limit{")] == [
        'narthex_model_limit{model="small/m"} 2'
    ]
    assert 'narthex_model_waiting{model="odd\\"\\\\\\n/m"} 0' in lines


def test_what_nobody_waits_for_has_room_where_half_of_it_is_free() -> None:
    """Of places and of what the provider allows; and not for a while after anybody was refused."""
    clock = FakeClock()
    places = Places(LimitPolicy(maximum=4), maximums={"small": 1}, clock=clock)
    assert (places.has_spare("a/m"), places.has_spare("small/m")) == (True, False)
    held = [places.of("a/m").try_acquire() for _ in range(2)]
    assert not places.has_spare("a/m")
    for one in held:
        assert one is not None
        one.release()
    assert places.has_spare("a/m")
    side = Side(limit=10, remaining=6, resets_s=60.0)
    places.allowances.hear("a/m", Told(side, None), refused=False)
    assert places.has_spare("a/m")
    places.allowances.hear("a/m", Told(None, Side(limit=10, remaining=5, resets_s=60.0)), refused=False)
    assert (places.has_spare("a/m"), places.has_spare("b/m")) == (False, True)
    clock.set(clock() + 61)
    assert places.has_spare("a/m")
    refused = places.of("a/m").try_acquire()
    assert refused is not None
    refused.crowded()
    clock.set(clock() + CALM_S - 1)
    assert not places.has_spare("a/m")
