"""Who was refused what, in few rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from narthex.audit.records import Actor
from narthex.tenancy.denials import MOST_OF_ONE, MOST_REFUSED, MOST_ROWS, WINDOW_S, Denial, Denials
from tests.tenancy.towns import WrittenDown


class _Day:
    """Denials, their rows, and a clock."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.audit = WrittenDown()
        self.denials = Denials(self.audit, clock=lambda: self.now_s)

    def refuse(self, who: str = "key_a", target: str = "GET /api/keys", why: str = "keys:read") -> None:
        """Refuse somebody something."""
        actor = Actor("key", who)
        self.denials.note(
            Denial(action="permission.denied", actor=actor, target=target, details={"permission": why}, address="::1")
        )

    @property
    def told(self) -> int:
        """How many denials the rows tell of."""
        return sum(_count(fields) for _, fields in self.audit.rows)


def _count(fields: object) -> int:
    assert isinstance(fields, dict)
    details = fields["details"]
    return int(details.get("again", details.get("others", 1)))


def test_each_has_a_row_once_a_minute() -> None:
    """At once; what comes again is counted, and told when the minute is over."""
    day = _Day()
    for _ in range(5):
        day.refuse()
    day.refuse(target="GET /api/users")
    day.refuse(why="users:read")
    assert len(day.audit.rows) == 3
    assert all(fields["outcome"] == "denied" and fields["address"] == "::1" for _, fields in day.audit.rows)
    day.denials.settle()
    assert len(day.audit.rows) == 3
    day.now_s += WINDOW_S
    day.denials.settle()
    assert day.audit.rows[3][1]["details"] == {"permission": "keys:read", "again": 4, "since": 1_000_000}
    day.refuse()
    assert (len(day.audit.rows), day.told) == (5, 8)


def test_at_the_end_all_is_told() -> None:
    """Before the minute is over, too, and once."""
    day = _Day()
    day.refuse()
    day.refuse()
    day.denials.settle(is_over=True)
    day.denials.settle(is_over=True)
    assert (len(day.audit.rows), day.told) == (2, 2)


def test_a_clock_that_is_set_back_ends_the_minute() -> None:
    """Nothing waits for it to come round again."""
    day = _Day()
    day.refuse()
    day.refuse()
    day.now_s -= 500
    day.refuse()
    assert (len(day.audit.rows), day.told) == (3, 3)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 60), st.integers(0, 30)), max_size=600))
def test_a_flood_is_told_in_few_rows_and_none_is_lost(blows: list[tuple[int, int, int]]) -> None:
    """Whoever is refused whatever, however often: every denial is in one row or in one count."""
    day = _Day()
    for who, what, pause_s in blows:
        day.now_s += pause_s / 10
        day.refuse(f"key_{who}", f"GET /api/{what}")
    minutes = int((day.now_s - 1_000) / WINDOW_S) + 1
    day.denials.settle(is_over=True)
    assert day.told == len(blows)
    assert len(day.audit.rows) <= minutes * (MOST_ROWS + MOST_REFUSED + 1)


def test_one_who_tries_everything_has_so_many_rows() -> None:
    """Which leaves room for others."""
    day = _Day()
    for number in range(500):
        day.refuse(target=f"GET /api/{number}")
    assert len(day.audit.rows) == MOST_OF_ONE
    day.refuse("key_b")
    assert len(day.audit.rows) == MOST_OF_ONE + 1


def test_without_a_log_nothing_happens() -> None:
    """A ring of keys by itself has none."""
    Denials().note(Denial(action="permission.denied", actor=Actor("key", "k")))
