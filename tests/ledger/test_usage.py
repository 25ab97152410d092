"""Who used what, and what it cost."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sqlalchemy import Connection, create_engine, update
from sqlalchemy.exc import DBAPIError

from narthex.errors import InvalidRequest
from narthex.ledger import usage as module
from narthex.ledger.days import fold, to_fold
from narthex.ledger.entries import Entry, Kind
from narthex.ledger.periods import HOUR_MS, PERIODS, start_of
from narthex.ledger.rows import add_entries, is_unpriced, unpriced_tokens
from narthex.ledger.usage import Question, Sums, question, total, usage
from narthex.ledger.words import COLUMNS
from narthex.stores.database import Database
from narthex.stores.database.schema import metadata, usage_hours
from tests.ledger.calls import entry

BEGIN = 1_793_491_200_000
"""The first of November 2026."""
UNTIL = BEGIN + 40 * 24 * HOUR_MS
HUGE = 5_000_000_000_000_000_000
"""More than half of what 64 bits hold."""


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A database of its own."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def _drawn(chance: random.Random, number: int) -> Entry:
    provider = chance.choice(["acme", "acm", "Acme"])
    return entry(
        number,
        at=BEGIN + chance.randrange(35 * 24 * HOUR_MS),
        kind=chance.choice(get_args(Kind)),
        status=chance.choice(["settled", "cut", "failed", "interrupted"]),
        workspace_id=chance.choice(["ws_a", "ws_b"]),
        user_id=chance.choice(["", "usr_a"]),
        key_id=chance.choice(["key_a", "key_b"]),
        end_user=chance.choice(["", "ann", "Ann"]),
        tags=chance.choice(["", "team=a", "Team=a", "steam=a,team=b", "team=a,urgent"]),
        operation=chance.choice(["chat", "embed", "image", "speech"]),
        surface=chance.choice(["openai.chat", "anthropic.messages"]),
        provider=provider,
        model=f"{provider}/{chance.choice(['one', 'two'])}",
        requests=chance.choice([0, 1]),
        input_tokens=chance.choice([0, chance.randrange(1_000)]),
        output_tokens=chance.choice([0, chance.randrange(1_000)]),
        estimated=chance.random() < 0.3,
        price_id=chance.choice(["", "prc_1"]),
        cost_picousd=chance.choice([0, 1, -7_000_000_001, 123_456_789_012_345]),
        saved_picousd=chance.randrange(10),
        images=chance.choice([0, 1, 4]),
        audio_ms=chance.choice([0, 1, 61_234]),
    )


def _values(one: Entry, asked: Question) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [()]
    for dimension in asked.by:
        text = str(getattr(one, dimension.column))
        if dimension.is_tag:
            tags = {tag: value for tag, _, value in (tag.partition("=") for tag in text.split(","))}
            own = text.split(",") if dimension.tag is None else [tags.get(dimension.tag, "")]
        else:
            own = [text]
        found = [(*before, value) for before in found for value in own]
    return found


def _doubtful(one: Entry) -> dict[str, int]:
    return {
        "estimated": int(one.estimated),
        "estimated_picousd": one.cost_picousd if one.estimated else 0,
        "unpriced_tokens": unpriced_tokens(one),
        "unpriced_attempts": int(is_unpriced(one)),
    }


def _by_hand(entries: Sequence[Entry], asked: Question) -> dict[tuple[int | None, tuple[str, ...]], Sums]:
    """Return the sums as nobody could doubt them."""
    sums: dict[tuple[int | None, tuple[str, ...]], Sums] = {}
    for one in entries:
        wanted = all(str(getattr(one, dimension.column)) in values for dimension, values in asked.where)
        if not (wanted and asked.since <= one.at < asked.until):
            continue
        start = None if asked.period is None else start_of(asked.period, one.at)
        for values in _values(one, asked):
            sums.setdefault((start, values), Sums()).add(
                Sums(
                    requests=one.requests,
                    attempts=1,
                    failures=one.status != "settled",
                    input_tokens=one.input_tokens,
                    output_tokens=one.output_tokens,
                    **_doubtful(one),
                    images=one.images,
                    audio_ms=one.audio_ms,
                    cost_picousd=one.cost_picousd,
                    saved_picousd=one.saved_picousd,
                    duration_ms=one.duration_ms,
                )
            )
    return sums


def _fold(connection: Connection, day: int) -> None:
    with suppress(DBAPIError), connection.begin_nested():
        fold(connection, day)


def _check(connection: Connection, entries: Sequence[Entry], asked: Question) -> None:
    rows = usage(connection, asked)
    assert {(row.start, row.values): row.sums for row in rows} == _by_hand(entries, asked)
    assert len({(row.start, row.values) for row in rows}) == len(rows)


_names = some.sampled_from([*COLUMNS, "tag:team"])


@settings(max_examples=25)
@given(
    seed=some.integers(0, 10**6),
    by=some.lists(_names, max_size=3, unique=True),
    period=some.sampled_from([None, *PERIODS]),
    since=some.integers(BEGIN - HOUR_MS, BEGIN + 30 * 24 * HOUR_MS),
    length_ms=some.integers(1, 40 * 24 * HOUR_MS),
)
def test_the_sums_are_those_of_the_entries(
    seed: int, by: list[str], period: str | None, since: int, length_ms: int
) -> None:
    """Whatever is asked for, to the last picodollar and the last millisecond."""
    chance = random.Random(seed)
    entries = [_drawn(chance, number) for number in range(30)]
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        for part in (entries[:15], entries[15:]):
            add_entries(connection, part)
            for day in to_fold(connection, UNTIL):
                if chance.random() < 0.7:
                    _fold(connection, day)
        where = chance.choice([{}, {"model": ["acme/one", "acm/two"]}, {"provider": ["acme"]}, {"status": ["cut"]}])
        _check(connection, entries, question(since=since, until=since + length_ms, by=by, period=period, where=where))
    engine.dispose()


def test_both_databases_answer_the_same(database: Database) -> None:
    """From the hours and from the entries, with filters for tags and more money than 64 bits hold."""
    chance = random.Random(7)
    entries = [_drawn(chance, number) for number in range(300)]
    entries += [entry(1_000 + n, at=BEGIN + n * HOUR_MS, cost_picousd=HUGE, saved_picousd=HUGE) for n in range(4)]
    database.write_now(lambda connection: add_entries(connection, entries))
    for day in database.read_now(lambda connection: to_fold(connection, UNTIL)):
        with suppress(DBAPIError):
            # Sums beyond 64 bits are left to the hours.
            database.write_now(lambda connection, day=day: fold(connection, day))  # type: ignore[misc]

    def work(connection: Connection) -> None:
        for by in ((), ("model", "key"), ("provider",), ("tag",), ("tag:team", "end_user"), ("status", "surface")):
            for period in (None, "day", "month"):
                _check(connection, entries, question(since=BEGIN + 1, until=UNTIL, by=by, period=period))
        for tags, expected in (("team=a", {"team=a", "team=a,urgent"}), ("urgent", {"team=a,urgent"}), ("", {""})):
            asked = question(since=BEGIN, until=UNTIL, by=["tag"], where={"tag": [tags]})
            assert total(connection, asked).attempts == sum(one.tags in expected for one in entries)
        asked = question(since=BEGIN, until=UNTIL, where={"tag:team": ["b", ""]})
        assert total(connection, asked).attempts == sum("team=a" not in one.tags.split(",") for one in entries)

    database.read_now(work)


def test_what_the_hours_know_is_read_from_them(connection: Connection) -> None:
    """Whole hours never from the entries, of which there are many."""
    add_entries(connection, [entry(0, at=BEGIN + 5), entry(1, at=BEGIN + HOUR_MS), entry(2, at=BEGIN + 3 * HOUR_MS)])
    connection.execute(update(usage_hours).values(requests=100))
    assert total(connection, question(since=BEGIN, until=BEGIN + 4 * HOUR_MS)).requests == 300
    assert total(connection, question(since=BEGIN + 1, until=BEGIN + 3 * HOUR_MS + 1)).requests == 102
    assert total(connection, question(since=BEGIN, until=UNTIL, where={"status": ["settled"]})).requests == 3
    fold(connection, BEGIN)
    connection.execute(update(usage_hours).values(requests=1_000))
    for by in ("provider", "key"):
        asked = question(since=BEGIN, until=BEGIN + 25 * HOUR_MS, by=[by], period="day")
        assert [row.sums.requests for row in usage(connection, asked)] == [300]
    assert total(connection, question(since=BEGIN, until=UNTIL, by=["tags"], where={"tag": [""]})).requests == 3_000


def test_rows_come_in_order_of_time_and_the_dearest_first(connection: Connection) -> None:
    """So that a reader sees what matters."""
    add_entries(
        connection,
        [
            entry(0, at=BEGIN, model="acme/one", cost_picousd=5),
            entry(1, at=BEGIN, model="acme/two", cost_picousd=9),
            entry(2, at=BEGIN + 24 * HOUR_MS, model="acme/one", cost_picousd=7),
        ],
    )
    rows = usage(connection, question(since=BEGIN, until=UNTIL, by=["model"], period="day"))
    assert [(row.values[0], row.sums.cost_picousd) for row in rows] == [
        ("acme/two", 9),
        ("acme/one", 5),
        ("acme/one", 7),
    ]


def test_where_nothing_was_used_there_is_no_row(connection: Connection) -> None:
    """And the total is nothing."""
    asked = question(since=BEGIN, until=UNTIL, by=["model"])
    assert usage(connection, asked) == []
    assert total(connection, asked) == Sums()


def test_too_many_rows_are_refused(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to ask instead, and before they fill the memory."""
    monkeypatch.setattr(module, "MAX_GROUPS", 3)
    add_entries(connection, [entry(number, end_user=str(number), tags="a,b,c,d") for number in range(4)])
    asked = question(since=0, until=UNTIL, by=["end_user"])
    with pytest.raises(InvalidRequest, match="a shorter time"):
        usage(connection, asked)
    with pytest.raises(InvalidRequest, match="a shorter time"):
        usage(connection, question(since=0, until=UNTIL, by=["tag"]))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"period": "year"}, "there are hour, day, week, month"),
        ({"since": UNTIL}, "before `to`"),
        ({"by": [f"tag:{n}" for n in range(7)]}, "up to 6"),
    ],
)
def test_what_cannot_be_asked_is_told(wrong: dict[str, object], said: str) -> None:
    """Before the database is asked."""
    with pytest.raises(InvalidRequest, match=said):
        question(**{"since": BEGIN, "until": UNTIL, **wrong})  # type: ignore[arg-type]
