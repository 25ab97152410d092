"""The options of what several processes share, and what may be wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints

from narthex.config.sections import Seconds, Section


class RedisSettings(Section):
    """What several processes share: how models, providers and keys stand."""

    url: SecretStr | None = Field(
        default=None,
        description="Address of a Redis or Valkey, such as `redis://127.0.0.1:6379/0`; better `${NAME}`.",
    )
    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,64}$")] = Field(
        default="narthex", description="Begins every name used there; processes share with those of the same prefix."
    )
    connect_timeout_s: Seconds = Field(default=1.0, description="To connect, in seconds.")
    timeout_s: Seconds = Field(default=1.0, description="To answer, in seconds.")


def why_not_redis(settings: RedisSettings) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the section, with the option's name; the address is never repeated."""
    if settings.url is None:
        return
    reason = why_not_redis_url(settings.url.get_secret_value())
    if reason:
        yield "url", reason
    if find_spec("redis") is None:
        yield "url", "needs a package that is not installed: pip install 'narthex[redis]'"


def why_not_redis_url(address: str) -> str | None:
    """Return what is wrong with the address of a Redis and the remedy; None if nothing is.

    The address itself is never repeated: it may carry a password.
    """
    expected = "`redis://127.0.0.1:6379/0`, `rediss://…` for TLS or `unix:///run/redis.sock`"
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return f"not an address; write it like {expected}"
    if parts.scheme not in {"redis", "rediss", "unix"}:
        return f"expected an address such as {expected}"
    if parts.scheme == "unix":
        return None if parts.path else "names no socket; write it like `unix:///run/redis.sock`"
    if not parts.hostname or port == 0:
        return f"names no host or port; write it like {expected}"
    database = parts.path.strip("/")
    return None if database.isdecimal() or not database else "ends in something that is no number of a database"
