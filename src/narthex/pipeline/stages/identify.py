"""Find out on whose behalf the call is made."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Final

from narthex.errors import AuthenticationFailed
from narthex.pipeline.contract import Next
from narthex.pipeline.exchange import Exchange
from narthex.tenancy.keys import Keyring
from narthex.types.dialects import Dialect

_ROUTES: Final[Mapping[Dialect, str]] = {
    Dialect.OPENAI_EMBEDDINGS: "embeddings",
    Dialect.OPENAI_RESPONSES: "responses",
}
"""The kinds of routes, as scopes of keys name them; every other dialect is spoken on `chat` routes."""


class Identify:
    """Check the key that the caller presents; a caller already known (in this process) is taken as it is."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[None]:
        """Set `exchange.caller`; only for a key that is not known anything is waited for."""
        if exchange.caller is None:
            headers, keyring = exchange.headers, self._keyring
            try:
                caller = keyring.identify(headers.get(b"authorization") or headers.get(b"x-api-key"))
            except AuthenticationFailed:
                return self._once_more(exchange, call_next)
            if caller.bounds is not None or caller.virtual_key:
                route = _ROUTES.get(exchange.dialect, "chat")
                keyring.let_in(caller, route, exchange.peer, request_id=exchange.id)
            exchange.caller = caller
        return call_next(exchange)

    async def _once_more(self, exchange: Exchange, call_next: Next) -> None:
        """Look whether the key was made just now, and let the caller in, or refuse."""
        keyring, route = self._keyring, _ROUTES.get(exchange.dialect, "chat")
        presented = exchange.headers.get(b"authorization") or exchange.headers.get(b"x-api-key")
        await keyring.look(presented)
        exchange.caller = keyring.admit(presented, route, exchange.peer, request_id=exchange.id)
        await call_next(exchange)
