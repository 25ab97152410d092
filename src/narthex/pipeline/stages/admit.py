"""Let a call in, as urgent as it is, with the time it may take."""

from __future__ import annotations

from typing import Final

from narthex.errors import InvalidRequest, Overloaded
from narthex.pipeline.exchange import Exchange
from narthex.providers.contract import PartialTimeouts
from narthex.providers.expiry import HEADERS
from narthex.resilience.shedding import Shedder
from narthex.telemetry.metrics import Metrics
from narthex.tenancy.keys import LOCAL, Caller
from narthex.types.priorities import PRIORITIES

MAX_TIMEOUT_S: Final = 86_400.0
"""The longest time that a caller may ask for, in seconds: as long as a setting may say."""

_HEADERS: Final = tuple((name.encode(), setting, name) for setting, name in HEADERS.items())


class Doorkeeper:
    """Whether calls are let in at all."""

    def __init__(self, shedder: Shedder | None = None, metrics: Metrics | None = None) -> None:
        """Open the door.

        Args:
            shedder: Says whom this server takes while it has much to do.
            metrics: Know how many calls are under way.
        """
        self.stopping = False
        self.shedder = shedder or Shedder()
        self.metrics = metrics or Metrics()

    def check(self, priority: int) -> None:
        """Let a call of this priority in.

        Raises:
            Overloaded: The server stops, or cannot take it now.
        """
        if self.stopping:
            raise Overloaded("this server is stopping; try again in a moment", retry_after_s=1)
        self.shedder.check(priority, self.metrics.active)


class Admit:
    """Refuse calls that cannot be taken now; read what must be known of the others and the time they may take."""

    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._doorkeeper = doorkeeper

    def __call__(self, exchange: Exchange) -> None:
        """Set `priority`, `model_asked`, `streaming`, `usage_wanted`, `total_s` and `limits` of the exchange."""
        headers, caller = exchange.headers, exchange.caller or LOCAL
        said = headers.get(b"x-narthex-priority")
        exchange.priority = priority = caller.priority if said is None else _priority(said, caller)
        self._doorkeeper.check(priority)
        exchange.read_head()
        # Looked up one by one: this is what every call pays, and going through its headers costs more.
        if (
            b"x-narthex-timeout" in headers
            or b"x-narthex-timeout-connect" in headers
            or b"x-narthex-timeout-headers" in headers
            or b"x-narthex-timeout-first-token" in headers
            or b"x-narthex-timeout-idle" in headers
        ):
            take_timeouts(exchange)


def take_timeouts(exchange: Exchange) -> None:
    """Take over how long the caller lets the call and its steps take.

    Raises:
        InvalidRequest: A header holds something else than a number of seconds.
    """
    headers = exchange.headers
    given = {setting: _seconds(name, headers[raw]) for raw, setting, name in _HEADERS if raw in headers}
    exchange.total_s = given.pop("total_s", None)
    if given:
        exchange.limits = PartialTimeouts(**given)


def _priority(said: bytes, caller: Caller) -> int:
    priority = PRIORITIES.get(said.decode("latin-1").strip().lower())
    if priority is None:
        raise InvalidRequest(
            f"header x-narthex-priority: {said.decode('latin-1')[:100]!r} is none of {', '.join(PRIORITIES)}",
            param="x-narthex-priority",
        )
    return min(priority, caller.ceiling)


def _seconds(name: str, value: bytes) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MAX_TIMEOUT_S:
        shown = value[:50].decode("latin-1")
        raise InvalidRequest(
            f"header {name}: {shown!r} is not a number of seconds above 0, at most {MAX_TIMEOUT_S:.0f}", param=name
        )
    return seconds
