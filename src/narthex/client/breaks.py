"""What a client sees by itself: no connection, no answer in time, an answer that breaks off."""

from __future__ import annotations

import ssl

from narthex.client.endpoint import Endpoint
from narthex.errors import ClientError, GatewayTimeout, GatewayUnreachable


def unreachable(endpoint: Endpoint, error: Exception) -> GatewayUnreachable:
    """Make the error of a connection that could not be made."""
    if isinstance(error, ssl.SSLError):
        return GatewayUnreachable(f"no TLS with {endpoint.url} ({error}); a private authority is named with `ca_file`")
    return GatewayUnreachable(
        f"no gateway at {endpoint.url} ({error}); start one with `narthex serve`, or set NARTHEX_URL to its address"
    )


def connect_timeout(endpoint: Endpoint) -> GatewayTimeout:
    """Make the error of a connection that took too long."""
    return GatewayTimeout(f"no connection to {endpoint.url} within {endpoint.connect_timeout_s:g} s")


def read_timeout(endpoint: Endpoint) -> GatewayTimeout:
    """Make the error of an answer that did not go on."""
    return GatewayTimeout(f"{endpoint.url} sent nothing for {endpoint.timeout_s:g} s; raise `timeout_s` to wait longer")


def cut(error: Exception) -> ClientError:
    """Make the error of a connection that broke while an answer was awaited."""
    return GatewayUnreachable(f"the connection to the gateway broke: {error}")
