"""Find out on whose behalf the call is made."""

from __future__ import annotations

from narthex.pipeline.exchange import Exchange
from narthex.tenancy.keys import Keyring


class Identify:
    """Check the key that the caller presents; a caller already known (in this process) is taken as it is."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def __call__(self, exchange: Exchange) -> None:
        """Set `exchange.caller`."""
        if exchange.caller is None:
            headers = exchange.headers
            exchange.caller = self._keyring.identify(headers.get(b"authorization") or headers.get(b"x-api-key"))
