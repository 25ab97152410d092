"""On whose behalf a call is made."""

from __future__ import annotations

from typing import cast

import pytest

from narthex.errors import AuthenticationFailed, PermissionDenied
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.stages.identify import Identify
from narthex.tenancy.bounds import Bounds
from narthex.tenancy.keys import LOCAL, Caller, KeyMark, Keyring
from narthex.tenancy.lookout import Lookout
from narthex.tenancy.scopes import Scopes
from narthex.tenancy.virtual_keys import new_key
from narthex.types.accounts import Account
from narthex.types.dialects import Dialect
from tests.pipeline.doubles import exchange
from tests.tenancy.towns import WrittenDown

RING = Keyring([("team", "sk-1")])


async def on(_call: Exchange) -> None:
    """Be the rest of the chain."""


@pytest.mark.parametrize(
    "headers", [{b"authorization": b"Bearer sk-1"}, {b"authorization": b"bearer sk-1"}, {b"x-api-key": b"sk-1"}]
)
async def test_a_key_tells_who_calls(headers: dict[bytes, bytes]) -> None:
    """A key is found in either header."""
    call = exchange({}, headers=headers)
    await Identify(RING)(call, on)
    assert call.caller is not None
    assert (call.caller.name, call.caller.account.key_id) == ("team", "config:team")


@pytest.mark.parametrize("headers", [{}, {b"authorization": b"Bearer sk-2"}, {b"x-api-key": b""}])
async def test_without_a_key_nobody_gets_in(headers: dict[bytes, bytes]) -> None:
    """A missing or wrong key is refused, and the caller stays unknown."""
    call = exchange({}, headers=headers)
    with pytest.raises(AuthenticationFailed):
        await Identify(RING)(call, on)
    assert call.caller is None


async def test_a_key_is_held_to_its_routes_and_addresses() -> None:
    """A virtual key with scopes is good on the routes and from the addresses that it names, and nowhere else."""
    ring = Keyring([])
    key = b"sk-nx-anything"
    scopes = Scopes(routes=("embeddings",), addresses=("192.0.2.0/24",))
    ring.learn([(ring.mark_of(key), Caller(name="key_a", bounds=Bounds(scopes)))])
    call = exchange({}, headers={b"x-api-key": key})
    with pytest.raises(PermissionDenied, match="routes"):
        await Identify(ring)(call, on)
    call.dialect = Dialect.OPENAI_EMBEDDINGS
    with pytest.raises(PermissionDenied, match="address"):
        await Identify(ring)(call, on)
    call.peer = ("192.0.2.7", 1)
    await Identify(ring)(call, on)
    assert call.caller is not None
    assert call.caller.name == "key_a"


async def test_who_is_known_is_not_asked() -> None:
    """A caller inside this process is taken as it is, and without keys everybody is the local user."""
    call = exchange({})
    call.caller = LOCAL
    await Identify(RING)(call, on)
    assert call.caller is LOCAL
    other = exchange({})
    await Identify(Keyring([]))(other, on)
    assert other.caller is LOCAL


async def test_a_use_of_a_virtual_key_is_marked() -> None:
    """With where it came from; what is refused is none, and is a denial instead."""
    ring, audit = Keyring([("team", "sk-1")]), WrittenDown()
    ring.denials.audit = audit
    account = Account(organisation_id="org_a", workspace_id="ws_a", key_id="key_a")
    bounds = Bounds(Scopes(routes=("chat",)))
    caller = Caller(name="key_a", bounds=bounds, account=account, virtual_key="key_a")
    ring.learn([(ring.mark_of(b"sk-nx-anything"), caller)])
    for key in (b"sk-nx-anything", b"sk-1"):
        call = exchange({}, headers={b"x-api-key": key})
        call.peer = ("192.0.2.7", 1)
        await Identify(ring)(call, on)
    (name, use), *more = ring.sightings.take().items()
    assert (name, list(use.addresses), more) == ("key_a", ["192.0.2.7"], [])
    call = exchange({}, headers={b"x-api-key": b"sk-nx-anything"})
    call.dialect = Dialect.OPENAI_EMBEDDINGS
    with pytest.raises(PermissionDenied):
        await Identify(ring)(call, on)
    assert ring.sightings.take() == {}
    (action, fields), *_ = audit.rows
    assert (action, fields["workspace_id"], fields["details"]) == ("permission.denied", "ws_a", {"why": "route"})
    assert (fields["target"], fields["request_id"]) == ("embeddings", call.id)


async def test_a_key_that_was_made_just_now_is_looked_for() -> None:
    """Once; a mistyped one is not, and neither is one of another form, or none."""
    ring, looked = Keyring([("team", "sk-1")]), list[bytes]()
    key = new_key("key_mfrggzdfmztwq2lk").encode()

    class _Lookout:
        async def look(self, mark: KeyMark) -> None:
            looked.append(mark)
            ring.learn([(mark, Caller(name="key_a"))])

    ring.lookout = cast("Lookout", _Lookout())
    for wrong in (b"", b"sk-2", key[:-1]):
        with pytest.raises(AuthenticationFailed):
            await Identify(ring)(exchange({}, headers={b"x-api-key": wrong}), on)
    assert looked == []
    for _ in range(2):
        call = exchange({}, headers={b"authorization": b"Bearer " + key})
        await Identify(ring)(call, on)
        assert call.caller is not None
    assert looked == [ring.mark_of(key)]
