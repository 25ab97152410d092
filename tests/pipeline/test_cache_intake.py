"""What is kept of calls that have ended, and what those are told who wait for it in other processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from narthex.cache.leases import Lease, Outcome
from narthex.errors import Cancelled, Failure, LimitExceeded, ProviderFailed
from narthex.pipeline.cached_answers import Hit
from narthex.pipeline.flights import Flight
from narthex.streams.stream import Stream
from narthex.testing.wires import openai_answer
from narthex.types.dialects import Dialect
from tests.pipeline.recalled import call, house, said

REFUSED = ProviderFailed("no", provider="up", failure=Failure.UPSTREAM_ERROR)


async def ended(change: Callable[[Flight], None]) -> tuple[list[Outcome], int]:
    """Take in a call that ended somehow; return how its lease did, and how many answers are kept."""
    _, made = house(max_entry_bytes=2_048)
    assert made.caching is not None
    recall = made.caching._recall
    assert recall is not None
    asked = call()
    await said(made, asked)
    made.cache.memory.clear()
    terms = made.caching.policy.terms(asked)
    assert terms is not None
    flight = Flight(asked, room_bytes=1, landed=lambda _: None)
    change(flight)
    told: list[Outcome] = []
    lease = Lease(terms.key, "t", lambda _, outcome: told.append(outcome))
    number = made.cache.invalidation.number
    recall.intake.take(flight, terms, number=number, lease=lease)
    return told, len(made.cache.memory)


def failed(error: Exception) -> Callable[[Flight], None]:
    """Return what has a call end without an answer."""

    def change(flight: Flight) -> None:
        flight.exchange.answer, flight.error = None, error

    return change


def answered(body: bytes) -> Callable[[Flight], None]:
    """Return what has a call end with another answer."""

    def change(flight: Flight) -> None:
        flight.exchange.answer = Stream.of(body, Dialect.OPENAI_CHAT)

    return change


def hit(flight: Flight) -> None:
    """Have a call end with an answer that another process was given."""
    flight.exchange.hit = Hit("joined", None)


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (failed(REFUSED), "alone"),
        (failed(Cancelled()), "left"),
        (failed(LimitExceeded("no")), "left"),
        (answered(openai_answer("x", finish="length")), "alone"),
        (answered(openai_answer("x" * 3_000)), "alone"),
    ],
)
async def test_what_is_not_kept_is_told(change: Callable[[Flight], None], outcome: Outcome) -> None:
    """It is another's turn where it concerns the caller alone, and each for itself where it may concern all."""
    assert await ended(change) == ([outcome], 0)


async def test_what_is_kept_ends_the_lease_when_it_is_written() -> None:
    """And not before: here is no tier that others read."""
    assert await ended(lambda _: None) == ([], 1)


async def test_what_another_process_has_kept_is_not_kept_again() -> None:
    """It lies there already, as it was when it was made."""
    assert await ended(hit) == ([], 0)
