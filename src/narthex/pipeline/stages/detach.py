"""Have a streamed answer in the background kept, so that it goes on whoever is there."""

from __future__ import annotations

from narthex.pipeline.exchange import Exchange
from narthex.pipeline.inbound import response_id_of


class Detach:
    """See to it that a response in the background is a stream that the server owns, under the response's ID."""

    def __call__(self, exchange: Exchange) -> None:
        """Say in the headers of such a call what its caller says in the body."""
        keeping = exchange.keeping
        if keeping is not None and keeping.background and exchange.streaming:
            exchange.headers = {
                **exchange.headers,
                b"x-narthex-stream-id": response_id_of(exchange).encode(),
                b"x-narthex-on-disconnect": b"detach",
            }
