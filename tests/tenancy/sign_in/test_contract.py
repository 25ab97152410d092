"""What signing in asks of others."""

from __future__ import annotations

from narthex.stores.sealing import Sealer as Real
from narthex.tenancy.sign_in.contract import Sealer, Visitor
from tests.tenancy.sign_in.receptions import PlainSealer


def test_the_sealer_of_the_house_is_one() -> None:
    """And so is that of these tests."""
    sealers: list[type[Sealer]] = [Real, PlainSealer]
    assert all(hasattr(one, name) for one in sealers for name in ("seal", "open", "mac_key"))
    assert Visitor().address == ""
