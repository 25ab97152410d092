"""The provider's view."""

from __future__ import annotations

import threading

from narthex.testing import FakeClock
from narthex.testing.wall.visits import Visit, Visits, described


def _visit(prompt: str = "Hi", connection: int = 1) -> Visit:
    return Visit(
        number=0,
        connection=connection,
        came_s=0.0,
        wire="openai",
        target="/v1/chat/completions",
        model="m",
        is_streamed=True,
        prompt=prompt,
        is_continued=False,
        fault=None,
    )


async def test_a_visit_has_its_time_its_bytes_and_its_end() -> None:
    """What was sent, for how long, and whether the client stayed."""
    clock = FakeClock()
    visits = Visits(clock)
    visit = visits.come(_visit())
    assert (visit.number, visit.lasted_s) == (1, None)
    await clock.advance(2)
    visits.end(visit, sent_bytes=7, is_left=True)
    assert described(visits.all()[0]) | {"sent_bytes": 7, "is_left": True, "lasted_s": 2.0} == described(visit)


def test_visits_are_found_by_prompt_and_connection() -> None:
    """A long prompt is kept as far as it takes to know it again."""
    visits = Visits(FakeClock())
    for visit in (_visit("case-1 " + "x" * 900), _visit("case-2", connection=7)):
        visits.come(visit)
    assert [visit.number for visit in visits.of("case-2")] == [2]
    assert len(visits.of("case-1")[0].prompt) == 200
    assert visits.has_connection(7)
    assert not visits.has_connection(3)
    visits.clear()
    assert visits.all() == []


def test_what_happens_is_waited_for() -> None:
    """The wait ends with the event, or with the time."""
    visits = Visits(FakeClock())
    assert not visits.wait_for(lambda: bool(visits.all()), 0.01)
    threading.Timer(0.05, lambda: visits.come(_visit())).start()
    assert visits.wait_for(lambda: bool(visits.all()), 5)
