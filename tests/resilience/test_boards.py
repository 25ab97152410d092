"""The board keeps a breaker for each model and provider, and joins them."""

from __future__ import annotations

from narthex.resilience.boards import BreakerBoard
from narthex.resilience.breakers import BreakerPolicy, BreakerState
from narthex.resilience.gates import ProviderBreaker
from narthex.resilience.scopes import Scope
from narthex.testing.clock import FakeClock

FRAIL = BreakerPolicy(consecutive_failures=1)


def test_the_board_gives_one_breaker_per_name() -> None:
    """The same name means the same breaker; one without a model is a provider's."""
    board = BreakerBoard(FRAIL, clock=FakeClock())
    assert board.breaker("p/a") is board.breaker("p/a")
    assert board.breaker("p/a") is not board.breaker("p/b")
    assert isinstance(board.breaker("p"), ProviderBreaker)
    assert not isinstance(board.breaker("p/a"), ProviderBreaker)
    board.breaker("p/b").failed()
    assert [(report.name, report.state.value) for report in board.snapshot()] == [
        ("p", "closed"),
        ("p/a", "closed"),
        ("p/b", "open"),
    ]
    assert board.knows("p/a")
    assert not board.knows("p/c")


def test_a_gate_follows_breakers_that_were_there_before_it() -> None:
    """Held open before the first call to a model, its breaker or its provider's keeps that call out."""
    board = BreakerBoard(clock=FakeClock())
    board.force("p/a", BreakerState.FORCED_OPEN)
    board.force("q", BreakerState.FORCED_OPEN)
    assert not board.available("p/a")
    assert board.available("p/b")
    assert not board.available("q/a")
    board.force("q", None)
    assert board.available("q/a")
    assert board.gate("q/a") is board.gate("q/a")


def test_the_board_is_bounded_and_keeps_what_matters() -> None:
    """However many names there are, only so many breakers are kept, and an open or forced one outlasts a closed one."""
    board = BreakerBoard(FRAIL, clock=FakeClock(), most=4)
    board.force("p/by hand", BreakerState.FORCED_OPEN)
    board.gate("p/dead").failed(board.gate("p/dead").allow())
    for number in range(1000):
        board.gate(f"p/passing {number}")
    assert {report.name for report in board.snapshot()} == {"p", "p/by hand", "p/dead", "p/passing 999"}
    board.gate("p/passing 999").failed(board.gate("p/passing 999").allow())
    board.gate("p/one more")
    assert {report.name for report in board.snapshot()} == {"p", "p/by hand", "p/passing 999", "p/one more"}


def test_one_that_made_room_begins_anew() -> None:
    """A model that is asked again after its breaker made room gets a gate with the breaker that stands on the board."""
    board = BreakerBoard(FRAIL, clock=FakeClock(), most=2)
    first = board.gate("p/a")
    board.gate("p/b")
    again = board.gate("p/a")
    assert again is not first
    assert again.model is board.breaker("p/a")


def test_the_board_tells_of_changes() -> None:
    """Whoever watches hears each change of state, with the breaker."""
    heard: list[tuple[str, str, bool]] = []
    board = BreakerBoard(clock=FakeClock())
    board.watchers.append(lambda one, by_hand: heard.append((one.name, one.state, by_hand)))
    board.force("p/a", BreakerState.FORCED_OPEN)
    board.force("p/a", None)
    for _ in range(5):
        board.breaker("p/a").failed()
    assert heard == [("p/a", "forced_open", True), ("p/a", "closed", True), ("p/a", "open", False)]


def test_a_board_that_is_not_wide_keeps_to_models() -> None:
    """With `wide` off no failure reaches a provider; only a hand does."""
    board = BreakerBoard(FRAIL, clock=FakeClock(), wide=False)
    gate = board.gate("p/a")
    gate.failed(gate.allow(), Scope.PROVIDER)
    assert board.breaker("p/a").state is BreakerState.OPEN
    assert board.available("p/b")
    board.force("p", BreakerState.FORCED_OPEN)
    assert not board.available("p/b")


def test_states_are_metrics() -> None:
    """Each breaker has its state as a number, and counts its openings; names are escaped."""
    board = BreakerBoard(FRAIL, clock=FakeClock())
    board.gate('p/"a"')
    board.breaker('p/"a"').failed()
    board.force("p", BreakerState.FORCED_OPEN)
    text = "\n".join(board.lines())
    assert 'narthex_breaker_state{breaker="p"} 3' in text
    assert 'narthex_breaker_state{breaker="p/\\"a\\""} 2' in text
    assert 'narthex_breaker_openings_total{breaker="p/\\"a\\""} 1' in text
    assert 'narthex_breaker_openings_total{breaker="p"} 0' in text
