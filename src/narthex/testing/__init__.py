"""The doubles we ship: for the tests of those who build on Narthex, and for our own.

    gateways     a whole gateway in a process of its own, with a scripted model
    upstream     a provider on a real socket that does what a test says
    acts         what it does, byte by byte
    wires        what providers answer, in their own words
    scenarios    ways to misbehave, by name
    occasions    when they are due
    catalogue    all of them as they are played, and how each may end
    wall         a provider that plays them on demand
    trials       the catalogue run against a gateway (through callers, judged by scorecard)
    chance       chance that can be repeated
    clock        time as a test says it is

Exports are loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from narthex.testing.clock import FakeClock
    from narthex.testing.gateways import GatewayDidNotStart, RunningGateway, running_gateway, scripted_gateway
    from narthex.testing.upstream import ReceivedRequest, ScriptedUpstream
    from narthex.testing.wall import Wall

__all__ = [
    "FakeClock",
    "GatewayDidNotStart",
    "ReceivedRequest",
    "RunningGateway",
    "ScriptedUpstream",
    "Wall",
    "running_gateway",
    "scripted_gateway",
]

_HOMES = {
    "FakeClock": "narthex.testing.clock",
    "GatewayDidNotStart": "narthex.testing.gateways",
    "ReceivedRequest": "narthex.testing.upstream",
    "RunningGateway": "narthex.testing.gateways",
    "ScriptedUpstream": "narthex.testing.upstream",
    "Wall": "narthex.testing.wall",
    "running_gateway": "narthex.testing.gateways",
    "scripted_gateway": "narthex.testing.gateways",
}


def __getattr__(name: str) -> object:
    """Load an export from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
