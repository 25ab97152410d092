"""Keys open the server to those who hold them, and are not held themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import AuthenticationFailed
from narthex.tenancy.keys import LOCAL, NO_KEY, Ceiling, Keyring, standing
from narthex.types.priorities import Priority

KEY = "sk-team-0123456789abcdef"


def test_without_keys_everyone_here_is_the_local_user() -> None:
    """A ring without keys asks for none, and takes no notice of one."""
    ring = Keyring([])
    assert not ring.required
    assert ring.identify(None) is LOCAL
    assert ring.identify(b"Bearer anything") is LOCAL


@pytest.mark.parametrize("presented", [KEY, f"Bearer {KEY}", f"bearer {KEY}", f"BEARER {KEY}"])
def test_a_key_is_known_by_its_name(presented: str) -> None:
    """A key may come as `x-api-key` or as a bearer, in capitals or not."""
    ring = Keyring([("team", KEY), ("other", "sk-other-0123456789abcdef")])
    assert ring.required
    assert ring.identify(presented.encode()).name == "team"


@pytest.mark.parametrize("presented", [None, b"", b"Bearer ", b"Bearer wrong", KEY[:-1].encode(), b"\xff\xfe"])
def test_whoever_has_no_key_is_refused(presented: bytes | None) -> None:
    """No key, half a key and bytes that are no text are all refused, without telling the key."""
    with pytest.raises(AuthenticationFailed) as refused:
        Keyring([("team", KEY)]).identify(presented)
    assert KEY not in str(refused.value)


@given(st.binary(max_size=64))
def test_nothing_but_the_key_opens(presented: bytes) -> None:
    """Whatever is presented that is not the key is refused."""
    ring = Keyring([("team", KEY)])
    if presented == KEY.encode():
        return
    with pytest.raises(AuthenticationFailed):
        ring.identify(presented)


def test_new_keys_take_the_place_of_the_old_at_once() -> None:
    """After a reload the old key is refused and the new one opens."""
    ring = Keyring([("team", KEY)])
    ring.adopt(Keyring([("team", "sk-new-0123456789abcdef")]))
    assert ring.identify(b"sk-new-0123456789abcdef").name == "team"
    with pytest.raises(AuthenticationFailed):
        ring.identify(KEY.encode())


def test_a_key_has_its_priority() -> None:
    """Calls of a key are as urgent as is said of it, and may not say that they are more."""
    ring = Keyring([("batch", KEY), ("team", "sk-new-0123456789abcdef")], priorities={"batch": Priority.LOW})
    caller = ring.identify(KEY.encode())
    assert (caller.priority, caller.ceiling) == (Priority.LOW, Priority.LOW)
    other = ring.identify(b"sk-new-0123456789abcdef")
    assert (other.priority, other.ceiling) == (Priority.NORMAL, Priority.NORMAL)
    assert (LOCAL.priority, LOCAL.ceiling) == (Priority.NORMAL, Priority.HIGH)


def test_the_ring_does_not_hold_the_key() -> None:
    """Neither the key nor anything that can be turned back into it is kept."""
    ring = Keyring([("team", KEY)])
    assert KEY not in repr(vars(ring))
    assert KEY.encode() not in repr(vars(ring)).encode()


def test_keys_belong_to_tenants() -> None:
    """Who calls is known with the tenant; a key of which nobody said has none."""
    ring = Keyring([("team", KEY), ("other", "sk-other-0123456789abcdef")], {"team": "shop"})
    assert ring.identify(KEY.encode()).tenant == "shop"
    assert ring.identify(b"sk-other-0123456789abcdef").tenant == ""


def test_callers_are_known_by_name() -> None:
    """A name leads to who calls with that key; without keys there is the local user alone."""
    caller = Keyring([("team", KEY)], {"team": "shop"}).caller("team")
    assert caller is not None
    assert (caller.name, caller.tenant) == ("team", "shop")
    assert Keyring([("team", KEY)]).caller("local") is None
    assert Keyring([]).caller("local") is LOCAL


def test_a_key_has_its_ceiling() -> None:
    """How fast its streams may be is known of a key, and of no other."""
    ceiling = Ceiling(tokens_per_s=20)
    ring = Keyring([("batch", KEY), ("team", "sk-new-0123456789abcdef")], ceilings={"batch": ceiling})
    assert ring.identify(KEY.encode()).stream_ceiling is ceiling
    assert ring.identify(b"sk-new-0123456789abcdef").stream_ceiling is None


def test_a_mark_is_that_of_its_key_over_reloads() -> None:
    """A mark leads to the caller as long as the key is valid, whatever else is reloaded; without keys there is one."""
    ring = Keyring([("team", KEY)])
    mark = ring.mark(f"Bearer {KEY}".encode())
    assert ring.mark(KEY.encode()) == mark
    ring.adopt(Keyring([("other", "sk-other-0123456789abcdef"), ("team", KEY)]))
    holder = ring.holder(mark)
    assert holder is not None
    assert holder.name == "team"
    assert ring.holder(NO_KEY) is None
    ring.adopt(Keyring([]))
    assert ring.holder(mark) is None
    assert ring.holder(ring.mark(None)) is LOCAL
    assert bytes(mark).find(KEY.encode()) < 0


def test_who_called_before_is_known_as_long_as_the_key_is() -> None:
    """As it is now; not any more once it is taken away, and as the local user only where that is let in."""
    ring = Keyring([("team", KEY)])
    caller = ring.identify(KEY.encode())
    assert standing(ring, caller) is ring.identify(KEY.encode())
    assert standing(ring, LOCAL) is None
    ring.adopt(Keyring([]))
    assert standing(ring, caller) is None
    assert standing(ring, LOCAL) is LOCAL


def test_whoever_has_no_key_has_no_mark() -> None:
    """Where a key is needed, a wrong one is refused."""
    with pytest.raises(AuthenticationFailed):
        Keyring([("team", KEY)]).mark(b"Bearer wrong")
