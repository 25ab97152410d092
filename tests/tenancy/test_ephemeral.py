"""Ephemeral keys: for a while, with the rights of the key they rest on, and no longer than that."""

from __future__ import annotations

import pytest

from narthex.errors import AuthenticationFailed, BodyTooLarge, Overloaded
from narthex.tenancy.ephemeral import EphemeralKeys
from narthex.tenancy.keys import LOCAL, NO_KEY, Keyring
from narthex.testing.clock import FakeClock
from narthex.types.priorities import Priority

KEY = "sk-team-0123456789abcdef"


def test_a_key_opens_until_it_expires() -> None:
    """It stands for its caller and its session, to the second that was said."""
    clock = FakeClock()
    ring = Keyring([("team", KEY)])
    keys = EphemeralKeys(ring, maximum=lambda: 2, clock=clock)
    key, grant = keys.issue(ring.mark(f"Bearer {KEY}".encode()), lifetime_s=60, session={"model": "a/b"})
    assert key.startswith("ek_")
    caller, same = keys.redeem(key.encode())
    assert (caller.name, same) == ("team", grant)
    clock.set(clock.now_s + 60)
    with pytest.raises(AuthenticationFailed, match="client_secrets"):
        keys.redeem(key.encode())


def test_it_has_the_rights_of_its_key_as_they_are() -> None:
    """A reload that changes the key's priority changes its; one that takes the key away takes it away."""
    ring = Keyring([("team", KEY)])
    keys = EphemeralKeys(ring, maximum=lambda: 2)
    key, _ = keys.issue(ring.mark(KEY.encode()), lifetime_s=60, session={})
    ring.adopt(Keyring([("team", KEY)], priorities={"team": Priority.LOW}))
    assert keys.redeem(key.encode())[0].priority is Priority.LOW
    ring.adopt(Keyring([("team", "sk-new-0123456789abcdef")]))
    with pytest.raises(AuthenticationFailed):
        keys.redeem(key.encode())


def test_without_keys_it_rests_on_the_local_user() -> None:
    """It opens as long as there are no keys, and nothing once there are some."""
    ring = Keyring([])
    keys = EphemeralKeys(ring, maximum=lambda: 2)
    key, _ = keys.issue(ring.mark(None), lifetime_s=60, session={})
    assert keys.redeem(key.encode())[0] is LOCAL
    ring.adopt(Keyring([("team", KEY)]))
    with pytest.raises(AuthenticationFailed):
        keys.redeem(key.encode())


def test_what_was_never_made_opens_nothing() -> None:
    """A made-up key is refused."""
    with pytest.raises(AuthenticationFailed):
        EphemeralKeys(Keyring([]), maximum=lambda: 2).redeem(b"ek_0123")


def test_their_sessions_take_up_only_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that is too large is refused, and so is one more than all may take up, until others have expired."""
    monkeypatch.setattr("narthex.tenancy.ephemeral.MAX_SESSION_BYTES", 100)
    monkeypatch.setattr("narthex.tenancy.ephemeral.MAX_TOTAL_BYTES", 150)
    clock = FakeClock()
    keys = EphemeralKeys(Keyring([]), maximum=lambda: 100, clock=clock)
    with pytest.raises(BodyTooLarge):
        keys.issue(NO_KEY, lifetime_s=10, session={"instructions": "x" * 100})
    keys.issue(NO_KEY, lifetime_s=10, session={"instructions": "x" * 70})
    with pytest.raises(Overloaded):
        keys.issue(NO_KEY, lifetime_s=10, session={"instructions": "x" * 70})
    clock.set(clock.now_s + 10)
    keys.issue(NO_KEY, lifetime_s=10, session={"instructions": "x" * 70})
    assert len(keys) == 1


def test_there_are_only_so_many() -> None:
    """One too many is refused until others have expired, or their key is gone."""
    clock = FakeClock()
    ring = Keyring([])
    keys = EphemeralKeys(ring, maximum=lambda: 2, clock=clock)
    keys.issue(NO_KEY, lifetime_s=10, session={})
    keys.issue(NO_KEY, lifetime_s=20, session={})
    with pytest.raises(Overloaded, match="max_ephemeral_keys") as refused:
        keys.issue(NO_KEY, lifetime_s=20, session={})
    assert refused.value.retry_after_s == 10
    clock.set(clock.now_s + 10)
    keys.issue(NO_KEY, lifetime_s=20, session={})
    assert len(keys) == 2
