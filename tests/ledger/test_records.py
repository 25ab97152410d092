"""The records of the journal."""

from __future__ import annotations

from narthex.ledger.records import Began, Came, Ended, Record, encode, entries_of, left_behind
from narthex.types.catalog import Price
from tests.ledger.calls import entry, opened

PRICE = Price(input_microusd_per_mtok=100, output_microusd_per_mtok=300)


def test_what_came_of_a_call_is_read_back() -> None:
    """Entry by entry."""
    entries = (entry(1), entry(1, id="req_1:1", attempt=1))
    assert entries_of(encode(Ended("req_1", entries))) == entries


def test_a_call_that_had_ended_is_taken_as_it_was_written() -> None:
    """And not once more as one of which nobody knows."""
    records: list[Record] = [Began(opened(1), PRICE), Came("req_1", 5), Ended("req_1", (entry(1),))]
    assert left_behind(encode(one) for one in records) == [entry(1)]


def test_a_call_under_way_is_written_as_interrupted() -> None:
    """Its prompt, and the most of its answer that was noted, in whatever order, marked as an estimate."""
    records: list[Record] = [Began(opened(1), PRICE), Came("req_1", 9), Came("req_1", 5), Began(opened(2), None)]
    first, second = left_behind(encode(one) for one in records)
    assert (first.status, first.estimated, first.input_tokens, first.output_tokens) == ("interrupted", True, 10, 9)
    assert first.cost_picousd == 1_000 + 9 * 300
    assert (second.id, second.output_tokens, second.cost_picousd) == ("req_2:0", 0, 1_000)


def test_a_file_that_was_made_ahead_may_hold_an_end_before_its_beginning() -> None:
    """It is its end all the same."""
    records: list[Record] = [Ended("req_1", (entry(1),)), Began(opened(1), PRICE)]
    assert left_behind(encode(one) for one in records) == [entry(1)]


def test_a_copy_under_way_is_no_request_of_anybody() -> None:
    """As when it ends in the ordinary way."""
    copy, call = left_behind(encode(Began(opened(number, kind=kind), PRICE)) for number, kind in _KINDS)
    assert (copy.requests, call.requests) == (0, 1)


_KINDS = ((1, "shadow"), (2, "call"))
