"""What a client sees by itself."""

from __future__ import annotations

import ssl

import pytest

from narthex.client.breaks import connect_timeout, cut, read_timeout, unreachable
from narthex.client.endpoint import endpoint_for
from narthex.errors import GatewayTimeout, GatewayUnreachable

ENDPOINT = endpoint_for("http://gateway.example:1", timeout_s=7, connect_timeout_s=2)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (unreachable(ENDPOINT, OSError("refused")), GatewayUnreachable, "http://gateway.example:1 .*narthex serve"),
        (unreachable(ENDPOINT, ssl.SSLError("bad certificate")), GatewayUnreachable, "ca_file"),
        (connect_timeout(ENDPOINT), GatewayTimeout, "within 2 s"),
        (read_timeout(ENDPOINT), GatewayTimeout, "nothing for 7 s; raise `timeout_s`"),
        (cut(OSError("reset")), GatewayUnreachable, "broke: reset"),
    ],
)
def test_each_break_says_what_to_do(error: Exception, kind: type[Exception], words: str) -> None:
    """Each has its class, the address or limit, and a remedy."""
    with pytest.raises(kind, match=words):
        raise error
