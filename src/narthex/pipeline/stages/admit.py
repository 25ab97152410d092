"""Let a call in, with the time it may take."""

from __future__ import annotations

from narthex.errors import InvalidRequest, Overloaded
from narthex.pipeline.exchange import Exchange


class Doorkeeper:
    """Whether calls are let in at all."""

    def __init__(self) -> None:
        self.stopping = False


class Admit:
    """Refuse calls while the server stops; read what must be known of the body and the time it may take."""

    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._doorkeeper = doorkeeper

    def __call__(self, exchange: Exchange) -> None:
        """Set `model_asked`, `streaming`, `usage_wanted` and `total_s` of the exchange."""
        if self._doorkeeper.stopping:
            raise Overloaded("this server is stopping; try again in a moment", retry_after_s=1)
        exchange.read_head()
        wanted = exchange.headers.get(b"x-narthex-timeout")
        if wanted is not None:
            exchange.total_s = _seconds(wanted)


def _seconds(value: bytes) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86_400:
        raise InvalidRequest(
            f"header x-narthex-timeout: {value.decode('latin-1')!r} is not a number of seconds above 0, at most 86400",
            param="x-narthex-timeout",
        )
    return seconds
