"""Where sockets are opened, and what is talked there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from narthex.app import Gateway
from narthex.errors import InvalidRequest
from narthex.http.sockets.contract import Visit
from narthex.http.sockets.places import socket_routes
from narthex.http.sockets.realtime import Realtime
from narthex.http.sockets.streams import StreamsTalk
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
        followed = socket_routes(gateway.services(lambda: ""))[b"/v1/streams/ws"]
        assert (followed.subprotocol, followed.ephemeral) == ("narthex.streams.v1", False)
        assert isinstance(followed.talk(visit), StreamsTalk)
        elsewhere = Visit(caller=LOCAL, mark=NO_KEY, session=None, query={"call_id": "1"}, headers={})
        with pytest.raises(InvalidRequest, match="WebRTC"):
            route.talk(elsewhere)


def test_a_server_listens_before_it_knows_sockets() -> None:
    """What only sockets need is loaded once the server listens: a start does not wait for it."""
    script = (
        "import sys, narthex.cli.serve, narthex.app\n"
        "names = ('websockets', 'narthex.wire.openai_realtime', 'narthex.http.sockets.connection')\n"
        "print([name for name in names if name in sys.modules])\n"
        "from narthex.http.sockets.places import load\n"
        "load()\n"
        "print(len([name for name in names if name in sys.modules]))\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.split("\n")[:2] == ["[]", "3"]
