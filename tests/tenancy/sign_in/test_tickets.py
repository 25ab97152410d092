"""Tickets between two steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import SignInExpired
from narthex.tenancy.sign_in.tickets import Tickets

TICKETS = Tickets(b"k" * 32)


def test_a_ticket_is_good_for_its_purpose_and_time() -> None:
    """And for nothing else; one of another key is none."""
    ticket = TICKETS.write("one", {"a": "b"}, expires_at=100)
    assert TICKETS.read("one", ticket, dict[str, str], now=99) == {"a": "b"}
    for tickets, purpose, now in ((TICKETS, "two", 99), (TICKETS, "one", 100), (Tickets(b"x" * 32), "one", 99)):
        with pytest.raises(SignInExpired):
            tickets.read(purpose, ticket, dict[str, str], now=now)


@given(st.text(max_size=200), st.integers(0, 10_000), st.integers(1, 255))
def test_no_ticket_is_forged(text: str, at: int, by: int) -> None:
    """Neither from nothing nor by changing one byte."""
    ticket = bytearray(TICKETS.write("one", {"a": "b"}, expires_at=100).encode())
    # The last character carries bits that mean nothing.
    ticket[at % (len(ticket) - 1)] ^= by
    for forged in (text, ticket.decode("latin-1")):
        with pytest.raises(SignInExpired):
            TICKETS.read("one", forged, dict[str, str], now=1)
