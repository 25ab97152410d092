"""Questions that are answered before they are asked."""

from __future__ import annotations

import asyncio
import json

import pytest

from narthex.errors import InvalidRequest
from narthex.pipeline.cache_desk import CacheDesk
from narthex.pipeline.cache_intake import LARGE_BYTES
from narthex.pipeline.warming import Asked, checked_directives
from narthex.tenancy.keys import LOCAL
from narthex.testing.wires import openai_answer
from tests.pipeline.doubles import House, streamed, whole
from tests.pipeline.keyed import FRAMES, Tap, turns
from tests.pipeline.recalled import ZERO, call, house, how, said


def warmed(made: House) -> CacheDesk:
    """Return the desk of a house that may send calls of its own."""
    assert made.caching is not None
    made.caching.handle = made.engine.handle
    return made.caching.desk


async def test_an_answer_is_kept_and_given() -> None:
    """However it comes; even if it is not deterministic, and though one is there."""
    provider, made = house(whole(openai_answer("one")), whole(openai_answer("two")))
    desk, body = warmed(made), json.dumps({**ZERO, "temperature": 1}).encode()
    for _ in range(2):
        (told,) = await desk.warming.warm(LOCAL, Asked(requests=[body], directives="; ttl=60"))
        assert (told.status, told.code) == ("kept", None)
    asked = call({**ZERO, "temperature": 1}, x_narthex_cache="on")
    assert (await said(made, asked), how(asked)) == ("two", "HIT")
    assert len(provider.calls) == 2


async def test_a_stream_and_a_large_answer_are_kept() -> None:
    """What is kept beside the call is waited for."""
    _, made = house(streamed(FRAMES), whole(openai_answer("x" * LARGE_BYTES)))
    desk = warmed(made)
    bodies = [json.dumps({**ZERO, "stream": stream, "seed": int(stream)}).encode() for stream in (True, False)]
    told = await desk.warming.warm(LOCAL, Asked(requests=bodies, parallel=1))
    assert [one.status for one in told] == ["kept", "kept"]
    assert {one.key for one in told} == {held.entry.key.hex() for held in made.cache.memory}


async def test_what_is_not_kept_and_what_failed_is_told() -> None:
    """Each in its place; one that failed keeps the others from nothing."""
    _, made = house(whole(openai_answer("cut", finish="length")), whole(openai_answer("good")))
    desk, body = warmed(made), json.dumps(ZERO).encode()
    bad = json.dumps({**ZERO, "model": "nobody/m"}).encode()
    told = await desk.warming.warm(LOCAL, Asked(requests=[body, bad, b"[]", body], parallel=1))
    assert [(one.index, one.status) for one in told] == [(0, "not kept"), (1, "failed"), (2, "failed"), (3, "kept")]
    assert told[1].code == "model_not_found"
    assert told[1].message
    assert len({one.request_id for one in told}) == 4


async def test_a_cache_that_is_off_keeps_nothing() -> None:
    """Calls are made all the same, and the report says it."""
    _, made = house(enabled=False)
    (told,) = await warmed(made).warming.warm(LOCAL, Asked(requests=[json.dumps(ZERO).encode()]))
    assert (told.status, told.key) == ("not kept", None)


async def test_whoever_leaves_ends_what_is_sent() -> None:
    """No provider goes on to write what nobody reads."""
    tap = Tap()
    _, made = house(tap.reply)
    body = json.dumps({**ZERO, "stream": True}).encode()
    sending = asyncio.ensure_future(warmed(made).warming.warm(LOCAL, Asked(requests=[body])))
    await turns()
    await tap.give(*FRAMES[:2])
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await turns()
    assert "cancelled" in tap.notes


def test_directives_are_checked_before_anything_is_sent() -> None:
    """They are those of the header."""
    assert checked_directives('; ttl=5; tags="a b"') == '; ttl=5; tags="a b"'
    with pytest.raises(InvalidRequest, match="tags"):
        checked_directives('; tags="ä"')
