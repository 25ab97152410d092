"""What is written down of a stream reads back as what it was, and says nothing of its owner."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.stores.link import StoreUnavailable
from narthex.stores.stream_records import END, EVENTS, Entry, Names, StreamFacts, StreamKey, pack, unpack

FACTS = {b"node": b"n", b"digest": b"00ff", b"dialect": b"openai.chat", b"request": b"req_1"}


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=20), st.integers(0, 10**15))
def test_events_read_back_as_they_were(events: list[bytes], before: int) -> None:
    """Whatever bytes they are, and whatever their numbers."""
    last = before + len(events)
    entry = unpack(b"%d-0" % last, {EVENTS: pack(events)})
    assert (entry.first, entry.last, entry.events, entry.report) == (before + 1, last, tuple(events), None)


def test_the_end_is_an_entry_of_its_own() -> None:
    """It has the number of the last event, and no events."""
    assert unpack(b"15-1", {END: b"{}"}) == Entry(15, report=b"{}")


@pytest.mark.parametrize(
    ("name", "fields"), [(b"x-0", {EVENTS: pack([b"a"])}), (b"1-0", {}), (b"1-0", {EVENTS: b"\xc1"})]
)
def test_what_is_not_ours_is_refused(name: bytes, fields: dict[bytes, bytes]) -> None:
    """Rather than told as something that it is not."""
    with pytest.raises(StoreUnavailable):
        unpack(name, fields)


def test_facts_are_read_strictly() -> None:
    """Nothing is no stream; less than everything is a fault."""
    assert StreamFacts.read({}) is None
    facts = StreamFacts.read(FACTS | {b"last": b"7", b"ended": b"lost", b"report": b"{}"})
    assert facts is not None
    assert (facts.digest, facts.last, facts.ended) == (b"\x00\xff", 7, "lost")
    fresh = StreamFacts.read(FACTS)
    assert fresh is not None
    assert (fresh.last, fresh.ended, fresh.report) == (0, "", b"")
    with pytest.raises(StoreUnavailable):
        StreamFacts.read({b"node": b"n"})
    with pytest.raises(StoreUnavailable):
        StreamFacts.read(FACTS | {b"last": b"seven"})


def test_no_name_tells_who_the_owner_is() -> None:
    """Owners are told apart, under each prefix otherwise; the names of one stream are all different."""
    names, others = Names("narthex"), Names("other")
    key = names.key("tenant:acme", "chat-7f3a-1")
    made = [names.events(key), names.facts(key), names.was(key), names.listed(key.owner)]
    made += [names.alive("n"), names.inbox("n"), names.open("n"), names.nodes]
    assert len(set(made)) == len(made)
    assert not [name for name in made if "acme" in name]
    assert names.key("tenant:emca", "chat-7f3a-1") != key
    assert others.key("tenant:acme", "chat-7f3a-1") != key
    assert StreamKey.of_member(key.member) == key
