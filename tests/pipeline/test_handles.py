"""What an owner does with a stream of this process, and errors that come from another."""

from __future__ import annotations

import pytest

from narthex.errors import (
    Cancelled,
    CursorAhead,
    InternalError,
    ProducerLost,
    ProviderTimeout,
    StreamEnded,
    StreamNotKept,
)
from narthex.pipeline.handles import OwnHandle, error_of
from narthex.pipeline.owned import Owned, Told
from narthex.pipeline.registry import KeepPolicy, Registry
from tests.pipeline.test_registry import exchange, opened


def handle(owned: Owned, told: list[Owned]) -> OwnHandle:
    """Return the handle of a stream."""
    return OwnHandle(owned, pause_limit_s=60, told=told.append)


async def test_it_does_what_is_asked_and_tells_how_it_stands() -> None:
    """And tells others whenever it stands otherwise."""
    told: list[Owned] = []
    owned = opened(Registry(KeepPolicy(), {}), "name-name", size=10)
    mine = handle(owned, told)
    assert (mine.id, mine.digest) == ("name-name", owned.digest)
    assert (await mine.tell("report")).status == "running"
    assert told == []
    assert (await mine.tell("pause")).status == "paused"
    assert (await mine.tell("resume")).status == "running"
    assert told == [owned, owned]
    assert owned.log is not None
    owned.log.close()
    with pytest.raises(StreamEnded):
        await mine.tell("cancel")


async def test_it_is_read_where_it_is_kept() -> None:
    """From any event that is there; what is not kept cannot be read."""
    owned = opened(Registry(KeepPolicy(), {}), "name-name", size=10)
    assert await handle(owned, []).read(1) is owned.log
    with pytest.raises(CursorAhead):
        await handle(owned, []).read(2)
    with pytest.raises(StreamNotKept):
        await handle(Owned(exchange(), id="passing-1", owner="tenant:one", log=None), []).read(0)


@pytest.mark.parametrize("kind", [Cancelled, ProducerLost, ProviderTimeout])
def test_an_error_comes_back_as_what_it_was(kind: type) -> None:
    """By its code, with its message."""
    error = error_of(Told(code=kind.code, message="so it was"))  # type: ignore[attr-defined]  # they all have one
    assert type(error) is kind
    assert error.message == "so it was"


def test_an_error_that_is_not_known_is_a_fault() -> None:
    """Another version may tell of others."""
    assert type(error_of(Told(code="unheard_of", message="what"))) is InternalError
