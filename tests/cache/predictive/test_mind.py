"""What is known of one principal."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as some

from narthex.cache.predictive.mind import MAX_SESSIONS, SESSION_S, Bounds, Mind, Prospect, Sample, Terms
from narthex.cache.predictive.record import FEWEST

FREE = Terms(least=0.25, picousd_per_s=1.0)


def walked(mind: Mind[str], *asked: bytes, session: str = "s", cost: int = 0) -> None:
    """Have questions asked in a session, a second each."""
    for now, intent in enumerate(asked):
        mind.asked(session, intent, now)
        mind.remember(intent, Sample(call="ask", size_bytes=10, picousd=cost, took_s=1.0, fresh_s=60.0))


def likely(mind: Mind[str], terms: Terms = FREE, session: str = "s") -> list[bytes]:
    """Return what is likely to be asked next."""
    return [one.intent for one in mind.prospects(session, terms)]


def test_a_session_is_known_by_where_it_stands() -> None:
    """One that is new, or was left long ago, stands nowhere."""
    mind: Mind[str] = Mind(Bounds())
    walked(mind, *[b"a", b"b", b"c"] * 10, b"a")
    assert likely(mind)[0] == b"b"
    assert likely(mind, session="other") == []
    mind.asked("s", b"c", SESSION_S + 100)
    assert likely(mind)[0] == b"a"
    assert mind.sessions == 1


def test_what_was_never_asked_before_is_passed_over() -> None:
    """What follows it is told by what came before it; so is who repeats themselves."""
    mind: Mind[str] = Mind(Bounds())
    walked(mind, *[b"a", b"b", b"c"] * 10, b"a", b"never before", b"a", b"a")
    assert likely(mind)[0] == b"b"


def test_a_dear_answer_needs_more() -> None:
    """By what it costs and by what the waiting is worth; unknown questions are never asked."""
    mind: Mind[str] = Mind(Bounds())
    walked(mind, *[b"a", b"b"] * 20, b"a", cost=1)
    (first, *_) = mind.prospects("s", FREE)
    assert (first.intent, first.needed, first.pays) == (b"b", 0.5, True)
    (dear, *_) = mind.prospects("s", Terms(least=0.25, picousd_per_s=0.0001))
    assert dear.needed > 0.98
    assert not dear.pays
    empty: Mind[str] = Mind(Bounds(max_sample_bytes=8))
    walked(empty, *[b"a", b"b"] * 20, b"a")
    assert [one.pays for one in empty.prospects("s", FREE)] == [False]


def test_nothing_is_made_before_it_is_proved() -> None:
    """Bets go first; what is there already is none."""
    mind, made = Mind[str](Bounds()), 0
    for now in range(4 * FEWEST):
        intent = (b"a", b"b")[now % 2]
        mind.asked("s", intent, now)
        mind.remember(intent, Sample(call="ask", size_bytes=10, fresh_s=60.0))
        for prospect in mind.prospects("s", FREE):
            assert not mind.bet(prospect, now=now, is_held=lambda _: True)
            made += mind.bet(prospect, now=now, is_held=lambda _: False)
            assert not made or mind.record("generation").won >= FEWEST
    assert made > FEWEST


def test_where_there_is_no_order_nothing_is_made() -> None:
    """Of shuffled questions next to nothing is likely enough, and no more is proved."""
    mind, chance, made = Mind[str](Bounds()), Random(3), 0
    for now in range(3_000):
        intent = b"%d" % chance.randrange(40)
        mind.asked(str(now % 5), intent, now)
        mind.remember(intent, Sample(call="ask", size_bytes=10, fresh_s=10.0))
        made += sum(mind.bet(one, now=now, is_held=lambda _: False) for one in mind.prospects(str(now % 5), FREE))
    assert made == 0


@given(some.lists(some.tuples(some.integers(0, 400), some.integers(0, 60), some.integers(1, 300)), max_size=300))
def test_it_is_bounded(steps: list[tuple[int, int, int]]) -> None:
    """In sessions, contexts and what questions take up, whatever is asked."""
    bounds = Bounds(max_contexts=50, max_samples=10, max_sample_bytes=1_000)
    mind: Mind[str] = Mind(bounds)
    for now, (session, number, size) in enumerate(steps):
        mind.asked(str(session), b"%d" % number, now)
        mind.remember(b"%d" % number, Sample(call="ask", size_bytes=size, fresh_s=1.0))
    assert mind.sessions <= MAX_SESSIONS
    assert len(mind.sequences) <= 50
    assert len(mind._samples) <= 10
    assert len(mind._seen) <= 50
    assert mind.sample_bytes == sum(one.size_bytes for one in mind._samples.values()) <= 1_000


def test_what_an_answer_cost_stays_known() -> None:
    """When its question is asked again before it is answered anew."""
    mind: Mind[str] = Mind(Bounds())
    mind.remember(b"a", Sample(call="first", size_bytes=1, picousd=7, took_s=2.0))
    mind.remember(b"a", Sample(call="second", size_bytes=1))
    found = mind.sample(b"a")
    assert found is not None
    assert (found.call, found.picousd, found.took_s) == ("second", 7, 2.0)


def test_each_rung_proves_itself() -> None:
    """By bets of its own; what costs nothing pays sooner, and what was brought up was not made early."""
    mind: Mind[str] = Mind(Bounds())
    dear, terms = (
        Sample(call="ask", size_bytes=1, picousd=100, took_s=1.0, fresh_s=60.0),
        Terms(least=0.1, picousd_per_s=1),
    )
    (prospect,) = [Prospect(intent=b"a", probability=0.5, needed=0.9, sample=dear, least=terms.least)]
    assert not mind.bet(prospect, now=0, is_held=lambda _: False)
    assert not mind.bet(prospect, now=0, is_held=lambda _: False, rung="retrieval")
    assert list(mind.records) == ["retrieval"]
    mind.record("retrieval").sent(b"a")
    assert not mind.asked("s", b"a", 1)
    assert mind.record("retrieval").used == 1
    mind.record("embeddings").bet(b"a", now=2, until=9)
    mind.record("embeddings").sent(b"a")
    assert mind.asked("s", b"a", 3)
