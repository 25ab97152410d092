"""A provider that fails as a whole is left alone as a whole, and one bad model takes no other away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.resilience.boards import BreakerBoard
from narthex.resilience.breakers import BreakerCause, BreakerState
from narthex.resilience.gates import Gate
from narthex.resilience.scopes import Scope
from narthex.testing.clock import FakeClock
from tests.resilience.benches import OPEN_S, STEADY

MODELS = ("p/a", "p/b", "p/c")


class Field:
    """A board with the models of one provider, and the clock that it goes by."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.board = BreakerBoard(STEADY, clock=self.clock)
        self.provider = self.board.breaker("p")

    def state(self) -> BreakerState:
        """Return the state of the provider's breaker."""
        return self.provider.state

    def gate(self, model: str) -> Gate:
        """Return what stands before a model."""
        return self.board.gate(f"p/{model}")

    def fail(self, model: str, scope: Scope, times: int = 1, *, breaks: bool = True) -> None:
        """Let some calls fail."""
        for _ in range(times):
            gate = self.gate(model)
            gate.failed(gate.allow(), scope, breaks=breaks)

    def succeed(self, model: str, times: int = 1, duration_s: float = 1.0) -> None:
        """Let some calls go well."""
        for _ in range(times):
            gate = self.gate(model)
            turn = gate.allow()
            assert turn, f"{model} is left alone"
            gate.succeeded(duration_s, turn)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.set(self.clock() + seconds)

    def available(self) -> set[str]:
        """Return the models that may be asked."""
        return {name for name in MODELS if self.board.available(name)}


def test_no_connection_takes_all_models_away_at_once() -> None:
    """Failures of the way to the provider count whoever met them: the model that never was asked is spared too."""
    field = Field()
    field.fail("a", Scope.PROVIDER, 3)
    field.fail("b", Scope.PROVIDER, 2)
    assert field.state() is BreakerState.OPEN
    assert field.provider.report().cause is BreakerCause.DEAD
    assert field.available() == set()
    assert {field.board.breaker(f"p/{model}").state for model in "ab"} == {BreakerState.CLOSED}
    assert field.gate("c").closed_by() is field.provider


def test_one_bad_model_takes_no_other_away() -> None:
    """However often one model fails by itself, its provider is not blamed."""
    field = Field()
    for _ in range(30):
        field.fail("a", Scope.SEVERAL)
        field.fail("a", Scope.MODEL)
    assert field.board.breaker("p/a").state is BreakerState.OPEN
    assert field.available() == {"p/b", "p/c"}
    assert field.gate("a").closed_by().name == "p/a"


def test_what_several_models_show_is_the_providers() -> None:
    """Three failures of one model and two of another are believed; four and one are not yet."""
    field = Field()
    field.fail("a", Scope.SEVERAL, 4)
    field.fail("b", Scope.SEVERAL, 1)
    assert field.state() is BreakerState.CLOSED
    field.fail("b", Scope.SEVERAL, 1)
    assert field.state() is BreakerState.OPEN
    assert field.available() == set()


def test_any_model_that_answers_clears_its_provider() -> None:
    """A success of any model breaks the row in which failures are counted against the provider."""
    field = Field()
    for _ in range(4):
        field.fail("a", Scope.PROVIDER, 2)
        field.fail("b", Scope.SEVERAL, 1)
        field.succeed("c")
    assert field.state() is BreakerState.CLOSED


def test_half_of_all_calls_without_connection_is_enough() -> None:
    """The rate counts the calls of all models together: what goes well with others speaks for the provider."""
    field = Field()
    for _ in range(5):
        field.succeed("a")
        field.fail("b", Scope.PROVIDER, breaks=False)
        field.succeed("c")
        field.fail("c", Scope.PROVIDER, breaks=False)
    assert field.state() is BreakerState.OPEN
    assert field.provider.report().cause is BreakerCause.FAILING
    assert (field.provider.report().calls, field.provider.report().failure_rate) == (20, 0.5)


def test_a_refused_key_breaks_the_provider_and_no_model() -> None:
    """What no model's breaker counts may count for the provider all the same."""
    field = Field()
    field.fail("a", Scope.PROVIDER, 5, breaks=False)
    assert field.state() is BreakerState.OPEN
    assert field.board.breaker("p/a").report().calls == 0


def test_several_slow_models_are_a_slow_provider() -> None:
    """One model that drags is its own affair; two that drag are their provider's."""
    field = Field()
    field.succeed("a", 15, duration_s=STEADY.slow_call_s)
    field.succeed("c", 1)
    assert field.state() is BreakerState.CLOSED
    field.succeed("b", 4, duration_s=STEADY.slow_call_s)
    assert field.state() is BreakerState.OPEN
    assert field.provider.report().cause is BreakerCause.SLOW


def opened() -> Field:
    """Return a field whose provider was found dead by its models, which are not blamed themselves."""
    field = Field()
    field.fail("a", Scope.PROVIDER, 5, breaks=False)
    field.wait(OPEN_S)
    return field


def test_probes_are_shared_by_all_models() -> None:
    """One probe, then two, then four go out in all, whichever models they ask; then all are back."""
    field = opened()
    for permits in (1, 2, 4):
        turns = [(model, field.gate(model).allow()) for model in ("a", "b", "c", "a", "b", "c")]
        taken = [(model, turn) for model, turn in turns if turn]
        assert len(taken) == permits
        for model, turn in taken:
            field.gate(model).succeeded(1.0, turn)
    assert field.state() is BreakerState.CLOSED
    assert field.available() == set(MODELS)


def test_a_probe_without_connection_opens_it_again() -> None:
    """The provider that is still not there is left alone for twice as long."""
    field = opened()
    field.fail("b", Scope.PROVIDER)
    assert field.state() is BreakerState.OPEN
    field.wait(OPEN_S)
    assert field.available() == set()
    field.wait(OPEN_S)
    assert field.available() == set(MODELS)


def test_a_bad_model_cannot_use_up_the_probes_of_its_provider() -> None:
    """A probe that meets a model's own failure leaves its place to another model; two such failures tell enough."""
    field = opened()
    field.fail("a", Scope.SEVERAL)
    assert field.state() is BreakerState.HALF_OPEN
    field.succeed("b")
    field.succeed("b", 2)
    field.succeed("c", 4)
    assert field.state() is BreakerState.CLOSED
    again = opened()
    again.fail("a", Scope.SEVERAL)
    again.fail("b", Scope.SEVERAL)
    assert again.state() is BreakerState.OPEN


def test_a_probe_without_a_word_leaves_its_place() -> None:
    """A probe whose caller left, or whose request was at fault, says nothing: the next call probes."""
    field = opened()
    gate = field.gate("a")
    gate.abandoned(gate.allow())
    gate.failed(gate.allow(), Scope.NOBODY, breaks=False)
    assert field.state() is BreakerState.HALF_OPEN
    field.succeed("b")


def test_a_model_that_is_left_alone_takes_no_probe() -> None:
    """Where a model's own breaker is open its calls do not spend the probes of the provider."""
    field = opened()
    field.board.force("p/a", BreakerState.FORCED_OPEN)
    assert not field.gate("a").allow()
    field.succeed("b")


def test_late_news_changes_nothing() -> None:
    """Calls that began before the provider's breaker opened say nothing about it since, well or badly."""
    field = Field()
    gate = field.gate("a")
    old = [gate.allow() for _ in range(10)]
    field.fail("b", Scope.PROVIDER, 5)
    for turn in old[:5]:
        gate.succeeded(1.0, turn)
    assert field.state() is BreakerState.OPEN
    field.wait(OPEN_S)
    field.succeed("c")
    for turn in old[5:]:
        gate.failed(turn, Scope.PROVIDER, breaks=False)
    assert field.state() is BreakerState.HALF_OPEN


@pytest.mark.parametrize(
    ("provider", "model", "asked"),
    [
        (BreakerState.FORCED_OPEN, None, False),
        (BreakerState.FORCED_OPEN, BreakerState.FORCED_CLOSED, False),
        (None, BreakerState.FORCED_OPEN, False),
        (BreakerState.FORCED_CLOSED, BreakerState.FORCED_OPEN, False),
        (BreakerState.FORCED_CLOSED, None, True),
    ],
)
def test_hands_decide(provider: BreakerState | None, model: BreakerState | None, *, asked: bool) -> None:
    """Taken out of service by hand, a model or a provider is asked for nothing."""
    field = Field()
    field.provider.force(provider)
    field.board.force("p/a", model)
    assert bool(field.gate("a").allow()) is asked
    assert field.board.available("p/a") is asked


def test_a_model_that_is_insisted_on_passes_by_its_providers_breaker() -> None:
    """Somebody who holds a model closed has its calls made, and they are no probes."""
    field = Field()
    field.board.force("p/a", BreakerState.FORCED_CLOSED)
    field.fail("b", Scope.PROVIDER, 5)
    assert field.available() == {"p/a"}
    field.succeed("a", 20)
    assert field.state() is BreakerState.OPEN


STEPS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["well", "slow", *Scope]), st.floats(0, 20)),
    max_size=120,
)


@given(STEPS)
def test_no_way_of_failing_locks_a_model_out(steps: list[tuple[str, str, float]]) -> None:
    """Whatever happened, once everything goes well again every model is back within the longest open time."""
    field = Field()
    for model, outcome, passed_s in steps:
        field.wait(passed_s)
        gate = field.gate(model)
        turn = gate.allow()
        if turn and outcome in {"well", "slow"}:
            gate.succeeded(1.0 if outcome == "well" else STEADY.slow_call_s, turn)
        elif turn:
            gate.failed(turn, Scope(outcome), breaks=outcome in {"several", "model"})
    for _ in range(3):
        field.wait(STEADY.open_cap_s)
        for model in ("a", "b", "c") * 8:
            gate = field.gate(model)
            turn = gate.allow()
            if turn:
                gate.succeeded(1.0, turn)
    assert field.available() == set(MODELS)
    assert {report.state for report in field.board.snapshot()} == {BreakerState.CLOSED}
