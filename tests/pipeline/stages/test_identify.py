"""On whose behalf a call is made."""

from __future__ import annotations

import pytest

from narthex.errors import AuthenticationFailed
from narthex.pipeline.stages.identify import Identify
from narthex.tenancy.keys import LOCAL, Caller, Keyring
from tests.pipeline.doubles import exchange

RING = Keyring([("team", "sk-1")])


@pytest.mark.parametrize(
    "headers", [{b"authorization": b"Bearer sk-1"}, {b"authorization": b"bearer sk-1"}, {b"x-api-key": b"sk-1"}]
)
def test_a_key_tells_who_calls(headers: dict[bytes, bytes]) -> None:
    """A key is found in either header."""
    call = exchange({}, headers=headers)
    Identify(RING)(call)
    assert call.caller == Caller(name="team")


@pytest.mark.parametrize("headers", [{}, {b"authorization": b"Bearer sk-2"}, {b"x-api-key": b""}])
def test_without_a_key_nobody_gets_in(headers: dict[bytes, bytes]) -> None:
    """A missing or wrong key is refused, and the caller stays unknown."""
    call = exchange({}, headers=headers)
    with pytest.raises(AuthenticationFailed):
        Identify(RING)(call)
    assert call.caller is None


def test_who_is_known_is_not_asked() -> None:
    """A caller inside this process is taken as it is, and without keys everybody is the local user."""
    call = exchange({})
    call.caller = LOCAL
    Identify(RING)(call)
    assert call.caller is LOCAL
    other = exchange({})
    Identify(Keyring([]))(other)
    assert other.caller is LOCAL
