"""Keys take turns, rest when told to, leave when refused, and come back."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from narthex.resilience.cooling import KeyPolicy, KeyPool
from narthex.routing.lots import MOST_AHEAD
from narthex.testing.clock import FakeClock
from narthex.types.keys import KeyId, KeyReport, KeyState, NoKey

A, B, C = KeyId("a"), KeyId("b"), KeyId("c")


def pool_of(*keys: KeyId) -> tuple[KeyPool, FakeClock]:
    """Make a pool, and the clock that it goes by."""
    clock = FakeClock()
    return KeyPool(keys, KeyPolicy(retired_s=60.0, retired_cap_s=200.0), clock=clock), clock


def states(pool: KeyPool) -> dict[str, str]:
    """Tell the state of each key."""
    return {report.key: report.state.value for report in pool.snapshot()}


def test_keys_take_turns() -> None:
    """Each call gets the key that was used longest ago."""
    pool, _ = pool_of(A, B, C)
    assert [pool.next(), pool.next()] == [A, A]
    assert [pool.take() for _ in range(6)] == [A, B, C, A, B, C]
    assert pool.next() == A
    for key in (A, B, C):
        pool.withdraw(key)
    assert pool.next() is None


def test_calls_that_begin_alike_get_the_same_key() -> None:
    """Until it is too far ahead of its share; while it rests the next one, then it again; no probe is held up."""
    pool, clock = pool_of(A, B, C)
    foretold = [pool.next(b"Be brief.") for _ in range(50)]
    first = pool.take(b"Be brief.")
    assert {*foretold} == {first}
    assert isinstance(first, str)
    assert {pool.take(b"Be brief.") for _ in range(10)} == {first}
    assert len({pool.take(b"%d" % number) for number in range(30)}) == 3
    pool.cool(first, clock() + 10)
    (second,) = {pool.take(b"Be brief.") for _ in range(5)}
    assert second != first
    assert isinstance(second, str)
    clock.set(clock() + 10)
    assert pool.take(b"Be brief.") == first
    pairs = [(pool.next(b"Be brief."), pool.take(b"Be brief.")) for _ in range(600)]
    assert all(foretold == key for foretold, key in pairs)
    taken = [key for _, key in pairs]
    assert all(abs(taken.count(key) - 200) <= 3 * MOST_AHEAD for key in (A, B, C))
    pool.retire(second, "authentication")
    clock.set(clock() + 60)
    assert second in [pool.take(b"Be brief.") for _ in range(3)]


def test_a_cooling_key_is_never_used() -> None:
    """Until its time is over a rate limited key is passed over, and not a moment longer."""
    pool, clock = pool_of(A, B)
    pool.cool(A, clock() + 10)
    assert states(pool) == {"a": "cooling", "b": "usable"}
    assert {pool.take() for _ in range(5)} == {B}
    clock.set(clock() + 9.999)
    assert {pool.take() for _ in range(5)} == {B}
    clock.set(clock() + 0.001)
    assert [pool.take() for _ in range(2)] == [A, B]


def test_the_longest_rest_holds() -> None:
    """A later answer that asks for a shorter rest does not end a longer one."""
    pool, clock = pool_of(A)
    pool.cool(A, clock() + 30)
    pool.cool(A, clock() + 5)
    assert pool.usable_in_s() == 30
    pool.cool(A, clock() + 40)
    assert pool.usable_in_s() == 40
    pool.cool(A, clock() - 1)
    assert pool.usable_in_s() == 40


def test_a_rest_that_is_over_already_is_none() -> None:
    """A rate limit that has passed by the time it is told leaves the key where it is."""
    pool, clock = pool_of(A)
    pool.cool(A, clock())
    assert pool.take() == A


def test_empty_handed_it_says_when() -> None:
    """With every key away the pool names the first that comes back, when, and what it waits for."""
    pool, clock = pool_of(A, B)
    pool.cool(A, clock() + 100)
    pool.retire(B, "authentication")
    assert pool.take() == NoKey(usable_in_s=60.0, state=KeyState.RETIRED)
    assert pool.usable_in_s() == 60.0
    pool.cool(A, clock() + 300)
    clock.set(clock() + 60)
    assert pool.usable_in_s() == 0.0
    assert pool.take() == B
    assert pool.take() == NoKey(usable_in_s=120.0, state=KeyState.PROBING)


def test_a_refused_key_comes_back_for_one_probe() -> None:
    """After its pause a retired key is given to one call only; its success brings it back for all."""
    pool, clock = pool_of(A, B)
    pool.retire(A, "authentication")
    assert [(report.state.value, report.reason, report.usable_in_s) for report in pool.snapshot()] == [
        ("retired", "authentication", 60.0),
        ("usable", None, 0.0),
    ]
    clock.set(clock() + 59)
    assert {pool.take() for _ in range(3)} == {B}
    clock.set(clock() + 1)
    assert [pool.take() for _ in range(4)] == [A, B, B, B]
    pool.succeeded(A)
    assert states(pool) == {"a": "usable", "b": "usable"}
    assert pool.snapshot()[0].reason is None
    assert {pool.take() for _ in range(2)} == {A, B}


def test_each_refusal_keeps_it_away_for_longer() -> None:
    """The pause doubles with each refused probe up to its cap, and starts anew after a success."""
    pool, clock = pool_of(A)
    pauses = []
    for _ in range(4):
        pool.retire(A, "authentication")
        pauses.append(pool.usable_in_s())
        clock.set(clock() + pauses[-1])
        assert pool.take() == A
    assert pauses == [60, 120, 200, 200]
    pool.succeeded(A)
    pool.retire(A, "authentication")
    assert pool.usable_in_s() == 60


def test_late_answers_do_not_move_a_retired_key() -> None:
    """Calls that were under way when a key was refused neither lengthen nor shorten its pause."""
    pool, clock = pool_of(A)
    pool.retire(A, "authentication")
    clock.set(clock() + 10)
    pool.retire(A, "quota_exhausted")
    pool.cool(A, clock() + 1)
    pool.succeeded(A)
    pool.abandoned(A)
    assert pool.take() == NoKey(usable_in_s=50.0, state=KeyState.RETIRED)
    assert pool.snapshot()[0].reason == "authentication"


def test_a_probe_without_an_answer_is_free_again() -> None:
    """A caller that leaves gives the probe to the next call; one that is never heard of does after a pause."""
    pool, clock = pool_of(A)
    pool.retire(A, "authentication")
    clock.set(clock() + 60)
    assert pool.take() == A
    pool.abandoned(A)
    assert pool.take() == A
    assert isinstance(pool.take(), NoKey)
    clock.set(clock() + pool.usable_in_s())
    assert pool.take() == A


def test_a_rate_limited_probe_is_a_good_key() -> None:
    """A provider that limits a key has accepted it: it cools like any other, and its refusals are forgotten."""
    pool, clock = pool_of(A)
    pool.retire(A, "authentication")
    clock.set(clock() + 60)
    assert pool.take() == A
    pool.cool(A, clock() + 5)
    assert states(pool) == {"a": "cooling"}
    clock.set(clock() + 5)
    assert states(pool) == {"a": "usable"}
    pool.retire(A, "authentication")
    assert pool.usable_in_s() == 60


def test_a_refusal_does_not_cut_a_rest_short() -> None:
    """A cooling key that is refused as well comes back no sooner than its rate limit ends."""
    pool, clock = pool_of(A)
    pool.cool(A, clock() + 500)
    pool.retire(A, "authentication")
    assert pool.take() == NoKey(usable_in_s=500.0, state=KeyState.RETIRED)


def test_a_rest_does_not_lose_a_key_its_turn() -> None:
    """A key that comes back stands where its last use puts it."""
    pool, clock = pool_of(A, B, C)
    assert pool.take() == A
    pool.cool(A, clock() + 1)
    clock.set(clock() + 1)
    assert [pool.take() for _ in range(3)] == [B, C, A]


def test_a_pool_without_keys_is_refused() -> None:
    """A provider that has no keys has no use for a pool."""
    with pytest.raises(ValueError, match="at least one key"):
        KeyPool([])


@pytest.mark.parametrize("wrong", [{"retired_s": 0.0}, {"retired_cap_s": 1.0}, {"retired_s": float("nan")}])
def test_nonsense_is_refused(wrong: dict[str, float]) -> None:
    """A pause must be positive, and its cap no shorter."""
    with pytest.raises(ValueError, match="expected 0 < retired_s"):
        KeyPolicy(**wrong)  # type: ignore[arg-type]  # a wrong value is the point


def test_a_hand_takes_a_key_out_and_brings_it_back() -> None:
    """A withdrawn key stays away however long it takes and whatever is said of it, until a hand returns it."""
    pool, clock = pool_of(A, B)
    pool.withdraw(A)
    pool.cool(A, clock() + 1)
    pool.retire(A, "authentication")
    clock.set(clock() + 1e9)
    assert {pool.take() for _ in range(5)} == {B}
    report = pool.report(A)
    assert (report.state, report.by_hand, report.reason, report.usable_in_s) == (KeyState.RETIRED, True, None, math.inf)
    barred = [pool.barred]
    pool.withdraw(B)
    barred.append(pool.barred)
    assert pool.take() == NoKey(usable_in_s=math.inf, state=KeyState.RETIRED)
    pool.restore(A)
    assert [*barred, pool.barred] == [False, True, False]
    assert [pool.take() for _ in range(2)] == [A, A]


@pytest.mark.parametrize("away", ["cool", "retire", "nothing"])
def test_a_hand_brings_back_whatever_is_away(away: str) -> None:
    """A key that the provider refused or limited is used again at once when somebody says so, and starts anew."""
    pool, clock = pool_of(A)
    if away == "cool":
        pool.cool(A, clock() + 50)
    elif away == "retire":
        pool.retire(A, "authentication")
    pool.restore(A)
    assert pool.report(A) == KeyReport(key=A, state=KeyState.USABLE)
    assert pool.take() == A


def test_an_only_key_is_noted_and_used() -> None:
    """What the provider says of its only key is kept with it, until it is accepted again; it is used all the same."""
    clock = FakeClock()
    pool = KeyPool([A], KeyPolicy(sets_aside=False), clock=clock)
    pool.retire(A, "authentication")
    assert (pool.report(A).state, pool.report(A).reason) == (KeyState.USABLE, "authentication")
    pool.cool(A, clock() + 10)
    assert (pool.report(A).state, pool.report(A).reason) == (KeyState.USABLE, "rate_limited")
    assert pool.take() == A
    pool.succeeded(A)
    assert pool.report(A).reason is None
    pool.withdraw(A)
    pool.succeeded(A)
    assert pool.barred


def test_an_unknown_key_is_told() -> None:
    """A hand that names a key which is not there changes nothing."""
    pool, _ = pool_of(A)
    for change in (pool.withdraw, pool.restore):
        with pytest.raises(KeyError):
            change(B)


def test_changes_are_told_and_adopted() -> None:
    """Whatever happens to a key in one pool, another that holds it stands the same once it hears, and tells nobody."""
    (one, clock), heard = pool_of(A, B), list[KeyId]()
    other = KeyPool((A, B), KeyPolicy(retired_s=60.0, retired_cap_s=200.0), clock=clock)
    one.watchers.append(lambda key, _: other.adopt(one.report(key)))
    other.watchers.append(lambda key, _: heard.append(key))
    steps: list[Callable[[], object]] = [
        lambda: one.cool(A, clock() + 20),
        lambda: one.retire(A, "quota_exhausted"),
        lambda: one.retire(B, "authentication"),
        lambda: clock.set(clock() + 60),
        lambda: one.succeeded(one.take()),  # type: ignore[arg-type]  # both are on probe
        lambda: one.withdraw(B),
        lambda: one.restore(B),
        lambda: one.cool(B, clock() + 5),
    ]
    for step in steps:
        step()
        assert [one.report(key) for key in (A, B)] == [other.report(key) for key in (A, B)]
    assert heard == []


class AgainstModel(RuleBasedStateMachine):
    """The pool beside a plain list of what was said about each key."""

    def __init__(self) -> None:
        super().__init__()
        self.pool, self.clock = pool_of(A, B, C)
        self.cooling_until_s = dict.fromkeys((A, B, C), 0.0)
        self.retired_until_s = dict.fromkeys((A, B, C), 0.0)
        self.refusals = dict.fromkeys((A, B, C), 0)
        self.refused = dict.fromkeys((A, B, C), False)
        """Refused, and not heard to be accepted since."""
        self.probed_until_s = dict.fromkeys((A, B, C), 0.0)
        self.used = {A: -3, B: -2, C: -1}
        self.uses = 0

    def _back_at_s(self, key: KeyId) -> float:
        return max(self.cooling_until_s[key], self.retired_until_s[key], self.probed_until_s[key])

    def _pause_s(self, key: KeyId) -> float:
        return float(min(200.0, 60.0 * 2 ** self.refusals[key]))

    def _retired(self, key: KeyId) -> bool:
        return self.refused[key] and self.clock() < max(self.retired_until_s[key], self.cooling_until_s[key])

    def _accepted(self, key: KeyId) -> None:
        self.refused[key] = False
        self.refusals[key] = 0
        self.retired_until_s[key] = self.probed_until_s[key] = 0.0

    @rule(seconds=st.sampled_from([0.5, 5.0, 60.0, 130.0]))
    def time_passes(self, seconds: float) -> None:
        """Go on."""
        self.clock.set(self.clock() + seconds)

    @rule()
    def take(self) -> None:
        """Take a key: the least recently used of those that may be, or none if there is none."""
        free = [key for key in self.used if self._back_at_s(key) <= self.clock()]
        taken = self.pool.take()
        if isinstance(taken, NoKey):
            assert not free
            assert taken.usable_in_s == pytest.approx(min(map(self._back_at_s, self.used)) - self.clock())
            return
        assert taken == min(free, key=self.used.__getitem__)
        self.uses += 1
        self.used[taken] = self.uses
        if self.refused[taken]:
            self.probed_until_s[taken] = self.clock() + self._pause_s(taken)

    @rule(key=st.sampled_from([A, B, C]), seconds=st.sampled_from([-1.0, 0.5, 5.0, 300.0]))
    def cool(self, key: KeyId, seconds: float) -> None:
        """Hear of a rate limit."""
        self.pool.cool(key, self.clock() + seconds)
        if seconds > 0 and not self._retired(key):
            self._accepted(key)
            self.cooling_until_s[key] = max(self.cooling_until_s[key], self.clock() + seconds)

    @rule(key=st.sampled_from([A, B, C]))
    def retire(self, key: KeyId) -> None:
        """Hear of a refusal."""
        self.pool.retire(key, "authentication")
        if not self._retired(key):
            self.refused[key] = True
            self.retired_until_s[key] = self.clock() + self._pause_s(key)
            self.probed_until_s[key] = 0.0
            self.refusals[key] += 1

    @rule(key=st.sampled_from([A, B, C]))
    def succeed(self, key: KeyId) -> None:
        """Hear of a success."""
        self.pool.succeeded(key)
        if self.refused[key] and not self._retired(key):
            self._accepted(key)

    @precondition(lambda self: any(self.refused.values()))
    @rule(key=st.sampled_from([A, B, C]))
    def abandon(self, key: KeyId) -> None:
        """Hear that a caller left."""
        self.pool.abandoned(key)
        if self.refused[key] and not self._retired(key):
            self.probed_until_s[key] = 0.0

    @invariant()
    def agrees(self) -> None:
        """The pool reports what the model knows."""
        for report in self.pool.snapshot():
            left_s = max(0.0, self._back_at_s(report.key) - self.clock())
            assert report.usable_in_s == pytest.approx(left_s)
            if self.refused[report.key]:
                expected = KeyState.RETIRED if self._retired(report.key) else KeyState.PROBING
            else:
                expected = KeyState.COOLING if left_s else KeyState.USABLE
            assert report.state is expected


TestAgainstModel = AgainstModel.TestCase
