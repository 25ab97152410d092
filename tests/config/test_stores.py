"""The address of a Redis is checked before anything is started, and its password never told."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from narthex.config import stores
from narthex.config.stores import RedisSettings, why_not_redis, why_not_redis_url


@pytest.mark.parametrize(
    "address",
    [
        *("redis://127.0.0.1:6379/0", "redis://cache", "rediss://user:secret@cache.example:6380/2"),
        *("redis://:secret@[::1]:6379", "unix:///run/redis.sock?db=1", "redis://cache?protocol=2"),
    ],
)
def test_good_addresses(address: str) -> None:
    """Plain, over TLS, over a socket; with and without database, user and options."""
    assert why_not_redis_url(address) is None


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://:hunter2@127.0.0.1:6379", "expected an address"),
        ("127.0.0.1:6379", "expected an address"),
        ("redis://:hunter2@cache:port", "not an address"),
        ("redis://:hunter2@/0", "names no host"),
        ("redis://cache:0", "names no host or port"),
        ("redis://:hunter2@cache/zero", "no number of a database"),
        ("unix://", "names no socket"),
    ],
)
def test_bad_addresses_are_explained(address: str, said: str) -> None:
    """What is wrong is said with the remedy, without the address, which may hold a password."""
    reason = why_not_redis_url(address)
    assert reason is not None
    assert said in reason
    assert "hunter2" not in reason


def test_a_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configured without the client there is one line that says what to install; not configured, none is needed."""
    monkeypatch.setattr(stores, "find_spec", lambda _: None)
    assert list(why_not_redis(RedisSettings())) == []
    ((option, reason),) = why_not_redis(RedisSettings(url=SecretStr("redis://cache")))
    assert (option, "pip install 'narthex[redis]'" in reason) == ("url", True)


def test_the_password_is_masked() -> None:
    """No representation of the settings shows it."""
    assert "hunter2" not in repr(RedisSettings(url=SecretStr("redis://:hunter2@cache")))
