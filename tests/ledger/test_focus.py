"""Costs in the format of FOCUS."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import pytest
from sqlalchemy import Connection, create_engine, insert

from narthex.ledger.focus import focus_columns, focus_question, focus_rows
from narthex.ledger.periods import HOUR_MS
from narthex.ledger.rows import add_entries
from narthex.ledger.usage import question
from narthex.stores.database.schema import metadata, organisations
from tests.ledger.calls import entry

BEGIN = 1_793_491_200_000
UNTIL = BEGIN + 48 * HOUR_MS
MANDATORY = {
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
}
"""Of version 1.2."""
MAY_BE_NULL = {"BillingAccountName", "ChargeClass", "ChargeDescription", "PricingQuantity", "PricingUnit"}


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A database of its own."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as opened:
        opened.execute(insert(organisations).values(id="org_a", slug="a", name="A & Co", settings={}, created_at=0))
        yield opened
    engine.dispose()


def _told(connection: Connection) -> Sequence[Mapping[str, object]]:
    asked = focus_question(question(since=BEGIN, until=UNTIL))
    names = [column.name for column in focus_columns()]
    return [dict(zip(names, row, strict=True)) for row in focus_rows(connection, asked)]


def test_what_is_mandatory_is_there_and_told(connection: Connection) -> None:
    """No column is missing, and none is empty that may not be; names of our own begin with `x_`."""
    add_entries(connection, [entry(0, at=BEGIN + HOUR_MS, tags="team=a,urgent", cost_picousd=1_500_000_000_001)])
    (row,) = _told(connection)
    assert set(row) >= MANDATORY
    assert all(row[name] is not None for name in MANDATORY - MAY_BE_NULL)
    assert (row["BilledCost"], row["BillingCurrency"]) == (Decimal("1.500000000001"), "USD")
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == ("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z")
    assert (row["BillingAccountName"], row["ProviderName"]) == ("A & Co", "acme")
    assert json.loads(str(row["Tags"])) == {"team": "a", "urgent": True}
    assert (row["PricingQuantity"], row["PricingUnit"]) == (30, "Tokens")
    assert row["SubAccountName"] is None


def test_days_and_models_are_rows_of_their_own(connection: Connection) -> None:
    """Their costs make up what was spent."""
    entries = [entry(n, at=BEGIN + n * 7 * HOUR_MS, model=f"acme/{n % 2}", cost_picousd=10**12) for n in range(6)]
    add_entries(connection, entries)
    rows = _told(connection)
    assert len(rows) == 4
    assert sum(Decimal(str(row["BilledCost"])) for row in rows) == 6


@pytest.mark.parametrize(
    ("used", "quantity"),
    [
        ({"images": 3}, (3, "Images")),
        ({"audio_ms": 1_500}, (1_500, "Milliseconds")),
        ({"images": 3, "output_tokens": 9}, (9, "Tokens")),
    ],
)
def test_quantities_are_in_the_unit_that_is_charged(
    connection: Connection, used: Mapping[str, int], quantity: tuple[int, str]
) -> None:
    """Tokens where there are any; all of them stand in columns of our own beside it."""
    add_entries(connection, [entry(0, at=BEGIN, **{"input_tokens": 0, "output_tokens": 0, **used})])
    (row,) = _told(connection)
    assert (row["PricingQuantity"], row["PricingUnit"]) == (row["ConsumedQuantity"], row["ConsumedUnit"]) == quantity
    assert (row["x_Images"], row["x_AudioMilliseconds"]) == (used.get("images", 0), used.get("audio_ms", 0))


def test_corrections_are_told_as_such(connection: Connection) -> None:
    """Not as usage, and without a quantity."""
    add_entries(connection, [entry(0, at=BEGIN, kind="correction", operation="correction", cost_picousd=-5)])
    (row,) = _told(connection)
    assert (row["ChargeCategory"], row["ChargeClass"], row["PricingQuantity"]) == ("Adjustment", "Correction", None)
    assert row["BilledCost"] == Decimal("-0.000000000005")


def test_what_has_no_price_is_not_passed_over(connection: Connection) -> None:
    """It costs nothing that is known, and its tokens are told apart."""
    add_entries(connection, [entry(0, at=BEGIN, price_id="", cost_picousd=0)])
    (row,) = _told(connection)
    assert (row["BilledCost"], row["x_UnpricedTokens"]) == (Decimal(0), 30)
