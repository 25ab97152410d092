"""Where sockets are opened, and what is talked there."""

from __future__ import annotations

from pathlib import Path

import pytest

from narthex.app import Gateway
from narthex.errors import InvalidRequest
from narthex.http.sockets.contract import Visit
from narthex.http.sockets.places import socket_routes
from narthex.http.sockets.realtime import Realtime
from narthex.tenancy.keys import LOCAL, NO_KEY
from tests.gateways import settings_for


async def test_each_place_has_its_talk(tmp_path: Path) -> None:
    """OpenAI's realtime API stands where its clients look for it, open to ephemeral keys."""
    visit = Visit(caller=LOCAL, mark=NO_KEY, session=None, query={}, headers={})
    async with Gateway(settings_for(tmp_path)) as gateway:
        route = socket_routes(gateway.services(lambda: ""))[b"/v1/realtime"]
        assert (route.subprotocol, route.ephemeral) == ("realtime", True)
        talk = route.talk(visit)
        assert isinstance(talk, Realtime)
        assert not talk.busy
        elsewhere = Visit(caller=LOCAL, mark=NO_KEY, session=None, query={"call_id": "1"}, headers={})
        with pytest.raises(InvalidRequest, match="WebRTC"):
            route.talk(elsewhere)
