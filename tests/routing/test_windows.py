"""Windows: who can hold a call that was too long for another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from narthex.routing.windows import larger

windows = st.lists(st.one_of(st.none(), st.integers(1, 100)), max_size=6)


@given(windows, st.integers(1, 100))
def test_those_that_fit_come_first(given_windows: list[int | None], needed: int) -> None:
    """Windows that fit stand first and unknown ones last, both in the order given; those too small are out."""
    left = larger(enumerate(given_windows), needed, lambda model: model[1])
    fitting = [(place, window) for place, window in enumerate(given_windows) if window is not None and window >= needed]
    unknown = [(place, window) for place, window in enumerate(given_windows) if window is None]
    assert list(left) == [*fitting, *unknown]


def test_a_window_of_exactly_what_is_needed_will_do() -> None:
    """What must be held is held by a window of that size, and not by one token less."""
    assert larger([99, 100, 101], 100, lambda window: window) == (100, 101)
