"""Questions in a real PostgreSQL with pgvector: the nearest of one tenant's scope, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from narthex.cache.semantic.embedding import unit
from narthex.cache.semantic.pgvector import VectorRows
from tests.cache.semantic.asking import ask, vector
from tests.cache.semantic.sharing import PROBE, made, row, spread, wanted

RESET, OTHERWISE, FAR = "How do I reset my router?", "How can I reset my router?", "Where is the nearest station?"


@pytest.fixture
def rows(vectors_url: str) -> Iterator[VectorRows]:
    """Rows in a database with the tables and one model."""
    opened = made(vectors_url)
    yield opened
    opened.close()


def test_the_nearest_come_first_as_they_were_written(rows: VectorRows) -> None:
    """With text, vector to the last bit, key and who asked."""
    rows.put([row(ask(RESET), b"1"), row(ask(FAR), b"2"), row(ask(OTHERWISE), b"3", principal=None)], 5)
    found = rows.nearest(wanted(ask(OTHERWISE), count=2))
    assert [(one.text, one.key, one.principal) for one in found] == [(OTHERWISE, b"3", None), (RESET, b"1", "ann")]
    assert found[1].vector == vector(RESET)
    assert not found[1].is_sighted


def test_what_is_not_of_the_tenant_the_scope_and_the_model_is_never_found(rows: VectorRows) -> None:
    """Each of the three stands in the statement: of 400 looks none finds a row of another tenant or another model."""
    other = rows.embedder("m2", PROBE)
    tenants = [f"t{number}" for number in range(20)]
    for tenant in tenants:
        rows.put([row(ask(RESET, tenant=tenant), tenant.encode()), row(ask(FAR, tenant=tenant), b"f")], 1)
    rows.put([row(ask(RESET, tenant="t0"), b"other", other)], 1)
    for tenant in tenants:
        found = rows.nearest(wanted(ask(OTHERWISE, tenant=tenant)))
        assert [(one.tenant, one.key) for one in found] == [(tenant, tenant.encode()), (tenant, b"f")]
    # A digest that is another tenant's by accident, or by force, is of no use.
    stolen = wanted(ask(RESET, tenant="t1"))
    for tenant in tenants:
        scope = ask(RESET, tenant=tenant).scope
        foreign = type(stolen)(
            tenant="mallory", scope=scope, embedder=1, vector=stolen.vector, count=8, now_ms=stolen.now_ms
        )
        assert rows.nearest(foreign) == []
    assert rows.nearest(wanted(ask(RESET, "before", "that", tenant="t1"))) == []
    assert [one.key for one in rows.nearest(wanted(ask(RESET, tenant="t0"), other))] == [b"other"]


def test_a_model_is_known_by_what_it_makes_and_not_by_its_name_alone(rows: VectorRows) -> None:
    """A vector that is the same but for rounding is the same model's; another one, or one of another length, is not."""
    rounded = unit([value + 1e-4 for value in memoryview(PROBE).cast("f")])
    assert rounded is not None
    assert rounded != PROBE
    changed, longer = vector("something else"), PROBE + PROBE
    numbers = [rows.embedder("m", one) for one in (PROBE, rounded, changed, longer, changed)]
    assert numbers == [1, 1, numbers[2], numbers[3], numbers[2]]
    assert len({1, *numbers}) == 3
    assert rows.embedder("n", PROBE) not in numbers


def test_it_is_renewed_and_vouched_for_by_the_rules_of_the_process(rows: VectorRows) -> None:
    """See `Entries.put`: the same answer asked for by a second principal vouches, and then it stays while it lasts."""

    def state() -> tuple[bytes, str | None, bool]:
        (one,) = rows.nearest(wanted(ask(RESET)))
        return one.key, one.principal, one.is_sighted

    rows.put([row(ask(RESET), b"1")], 1)
    rows.put([row(ask(RESET), b"1")], 2)
    assert state() == (b"1", "ann", False)
    rows.put([row(ask(RESET, principal=None), b"2")], 3)  # nobody knows who: it takes no one's place
    assert state() == (b"1", "ann", False)
    rows.put([row(ask(RESET, principal="bob"), b"2")], 4)  # another request with the same text
    assert state() == (b"2", "bob", False)
    rows.put([row(ask("how do I reset my router", principal="ann"), b"2")], 5)
    assert state() == (b"2", "ann", True)
    rows.put([row(ask(RESET, principal="eve"), b"3", is_sighted=False)], 6)
    assert state() == (b"2", "ann", True)
    rows.remove([b"2"])
    rows.put([row(ask(RESET), b"4", ends_ms=2_000)], 7)
    rows.vouch([(b"4", "another text"), (b"5", ask(RESET).marks.folded)])
    assert state() == (b"4", "ann", False)
    rows.vouch([(b"4", ask(RESET).marks.folded)])
    assert state() == (b"4", "ann", True)
    rows.put([row(ask(RESET, principal="eve"), b"5")], 2_000)  # what was vouched for has ended
    assert state() == (b"5", "eve", False)


def test_what_has_ended_is_not_found_and_goes_and_so_does_what_is_used_least(rows: VectorRows) -> None:
    """A row ends with its answer; beyond the number those go that were used longest ago."""
    asked = spread(6, seed=1)
    rows.put([row(one, bytes([place]), ends_ms=50 if place == 5 else 10_000) for place, one in enumerate(asked)], 1)
    assert len(rows.nearest(wanted(asked[0], now_ms=49))) == 6
    assert len(rows.nearest(wanted(asked[0], now_ms=50))) == 5
    rows.use([b"\0", b"\3"], 40)
    rows.keep_within(2, 60)
    assert {one.key for one in rows.nearest(wanted(asked[0], now_ms=60))} == {b"\0", b"\3"}
    rows.remove([b"\0"])
    assert {one.key for one in rows.nearest(wanted(asked[0], now_ms=60))} == {b"\3"}


def test_whose_rows_are_is_gone_through_and_they_are_erased(rows: VectorRows) -> None:
    """Page by page; until when that was done is remembered, and never falls."""
    rows.put([row(one, one.text.encode(), tags=("user:ann",), begun_ms=7) for one in spread(300, seed=5)], 1)
    first = rows.page(0)
    rest = rows.page(first[-1].number)
    assert len(first) + len(rest) == 300
    assert first[0][1:] == (b"number 0", ("user:ann",), 7) or first[0].tags == ("user:ann",)
    rows.erase([one.number for one in first])
    assert rows.page(0) == rest
    assert rows.erased_ms() == 0
    rows.note_erased(9)
    rows.note_erased(3)
    assert rows.erased_ms() == 9
