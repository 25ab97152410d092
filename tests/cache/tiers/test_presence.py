"""What is surely not there."""

from __future__ import annotations

from hashlib import blake2b

from narthex.cache.tiers.presence import Presence


def key(number: int) -> bytes:
    """Return a key."""
    return blake2b(b"%d" % number, digest_size=32).digest()


def test_what_is_there_is_known() -> None:
    """Always; of what is not there hardly anything is sought."""
    held = Presence()
    assert not held.may_have(key(0))
    held.renew(key(number) for number in range(20_000))
    assert all(held.may_have(key(number)) for number in range(20_000))
    assert sum(held.may_have(key(number)) for number in range(20_000, 40_000)) < 20
    held.renew([key(1)])
    assert (held.may_have(key(1)), held.may_have(key(2))) == (True, False)
