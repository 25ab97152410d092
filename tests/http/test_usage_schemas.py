"""The schemas of usage, ledger and prices."""

from __future__ import annotations

from typing import cast

from narthex.http.routes.usage import told_entry
from narthex.http.usage_schemas import USAGE
from tests.http.doors import Json
from tests.ledger.calls import entry


def test_every_field_of_an_entry_is_described() -> None:
    """And none that is not there."""
    described = cast("Json", USAGE["LedgerEntry"]["properties"])
    assert set(told_entry(entry())) == set(described)
    assert told_entry(entry(price_id=""))["cost_usd"] is None
