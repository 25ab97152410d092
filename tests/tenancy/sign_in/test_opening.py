"""The reception of a server, as the settings have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from narthex.app import Gateway
from narthex.errors import Overloaded, SignInRequired
from narthex.tenancy.sign_in.desk import Desk
from narthex.tenancy.sign_in.reception import Reception
from tests.gateways import settings_for
from tests.tenancy.sign_in.receptions import HERE, PASSWORD


def reception_of(gateway: Gateway) -> Reception:
    """Return who knows who is signed in."""
    reception = gateway.office.reception
    assert reception is not None
    return reception


async def test_other_settings_are_taken_over(tmp_path: Path) -> None:
    """Sessions last as long as they say, from now on."""
    async with Gateway(settings_for(tmp_path)) as gateway:
        await gateway.reload(settings_for(tmp_path, sign_in={"idle_s": 600}))
        assert reception_of(gateway).sessions.lifetimes.idle_ms == 600_000


async def test_after_a_start_nobody_slips_in(tmp_path: Path) -> None:
    """Where somebody signs in, no call without a name is served, not even before the database is open."""
    async with Gateway(settings_for(tmp_path)) as first:
        assert not first.keyring.required
        assert first.keyring.identify(None).is_operator
        desk = Desk(reception_of(first))
        await desk.first_owner(name="Ada", email="ada@example.org", password=PASSWORD, visitor=HERE)
        sealer = await reception_of(first).sealer()
        assert await reception_of(first).sealer() is sealer
    async with Gateway(settings_for(tmp_path)) as second:
        with pytest.raises(Overloaded):
            second.keyring.identify(None)
        await second.office.database()
        with pytest.raises(SignInRequired):
            second.keyring.identify(None)
        again = await reception_of(second).sealer()
        assert again.mac_key("x") == sealer.mac_key("x")
