"""A copy is made once the call has been served or its provider has failed, and never before."""

from __future__ import annotations

import pytest

from narthex.errors import InvalidRequest, NarthexError, ProviderFailed
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.stages.shadow import Shadow
from narthex.routing.candidates import Candidate
from narthex.routing.plan import Plan
from tests.pipeline.doubles import CHAT, exchange


class Notes:
    """Notes what happens, in order."""

    def __init__(self, error: NarthexError | None = None) -> None:
        self.happened: list[str] = []
        self._error = error

    def take(self, call: Exchange, model: str) -> None:
        """Note a copy."""
        assert call.target is None
        self.happened.append(f"copy to {model}")

    async def rest(self, _exchange: Exchange) -> None:
        """Note that the call went on."""
        self.happened.append("call")
        if self._error is not None:
            raise self._error


def planned(shadow: str | None) -> Exchange:
    """Return a call with a plan."""
    call = exchange(CHAT)
    call.plan = Plan(asked="up/m", candidates=(Candidate(name="up/m", why="asked"),), target="up/m", shadow=shadow)
    return call


async def passed(call: Exchange, error: NarthexError | None = None) -> list[str]:
    """Send a call through the stage and return what happened."""
    notes = Notes(error)
    try:
        await Shadow(notes)(call, notes.rest)  # type: ignore[arg-type]  # all that the stage asks of shadows
    except NarthexError as raised:
        assert raised is error  # noqa: PT017 - what is passed on matters, not that it is
    else:
        assert error is None
    return notes.happened


async def test_the_call_comes_first() -> None:
    """The copy follows the answer."""
    assert await passed(planned("trial/m")) == ["call", "copy to trial/m"]


@pytest.mark.parametrize("call", [exchange(CHAT), planned(None)])
async def test_without_a_shadow_the_stage_is_not_there(call: Exchange) -> None:
    """It hands out the rest of the chain itself."""
    notes = Notes()
    await Shadow(notes)(call, notes.rest)  # type: ignore[arg-type]  # as above
    assert notes.happened == ["call"]


async def test_a_call_that_its_provider_fails_is_copied_too() -> None:
    """Models are compared on the hard calls as well; the caller's error is passed on as it is."""
    assert await passed(planned("trial/m"), ProviderFailed(provider="up")) == ["call", "copy to trial/m"]


async def test_a_call_that_went_to_nobody_is_not_copied() -> None:
    """What is refused here is not sent anywhere."""
    assert await passed(planned("trial/m"), InvalidRequest("no")) == ["call"]
