"""Exit codes, and what is said about an error."""

from __future__ import annotations

from enum import IntEnum

from narthex.errors import (
    AuthenticationFailed,
    ConfigError,
    DeadlineExceeded,
    GatewayTimeout,
    GatewayUnreachable,
    InternalError,
    ModelUnavailable,
    NarthexError,
    Overloaded,
    ProviderOverloaded,
    ProviderTimeout,
    ProviderUnreachable,
    StoreUnavailable,
)


class Exit(IntEnum):
    """How a command ended; the numbers above 64 are those of sysexits.h."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    UNAVAILABLE = 69
    INTERNAL = 70
    CONFIG = 78
    INTERRUPTED = 130
    OUTPUT_CLOSED = 141


_UNAVAILABLE = (
    DeadlineExceeded,
    GatewayTimeout,
    GatewayUnreachable,
    ModelUnavailable,
    Overloaded,
    ProviderOverloaded,
    ProviderTimeout,
    ProviderUnreachable,
    StoreUnavailable,
)


def exit_code_of(error: NarthexError) -> Exit:
    """Return the exit code that an error ends a command with."""
    if isinstance(error, ConfigError):
        return Exit.CONFIG
    if isinstance(error, InternalError):
        return Exit.INTERNAL
    return Exit.UNAVAILABLE if isinstance(error, _UNAVAILABLE) else Exit.FAILURE


def complaint(error: NarthexError) -> str:
    """Return what is printed about an error: each fault on one line, with the remedy."""
    if isinstance(error, ConfigError):
        return "\n".join(error.problems)
    message = " ".join(error.message.split())
    if isinstance(error, AuthenticationFailed):
        message += " On the command line, set NARTHEX_API_KEY."
    request_id = getattr(error, "request_id", None)
    return f"{message} (request {request_id})" if request_id else message
