"""What a client of a gateway meets on the way to it; never sent by one."""

from __future__ import annotations

from narthex.errors.base import NarthexError


class ClientError(NarthexError):
    """The gateway could not be asked."""

    code = "client_error"


class GatewayUnreachable(ClientError):
    """The gateway cannot be reached: start it with `narthex serve`, or set `NARTHEX_URL` to its address."""

    code = "gateway_unreachable"


class GatewayTimeout(ClientError):
    """The gateway did not answer in time."""

    code = "gateway_timeout"


class BrokenAnswer(ClientError):
    """The gateway's answer was cut before its end, or is not an answer."""

    code = "broken_answer"
