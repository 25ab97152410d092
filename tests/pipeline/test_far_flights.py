"""Calls of several processes that ask the same: an answer is given to all as it comes, and never as more than it is."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from narthex.config.cache_settings import CacheSettings
from narthex.errors import Failure, ProducerLost, ProviderFailed
from narthex.pipeline import far_flights
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.far_flights import form_of
from narthex.providers.contract import Reply
from narthex.streams.stream import Reader, Stream
from narthex.testing.wires import openai_answer, openai_frames
from narthex.types.answers import FinishReason
from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Event, Finished, Started, TextDelta, UsageReported
from narthex.types.usage import Usage
from tests.pipeline.doubles import INNER, MESSAGE, Double, House, read, told, whole
from tests.pipeline.far_doubles import Between
from tests.pipeline.keyed import FRAMES, Tap, turns
from tests.pipeline.recalled import ZERO_STREAM, call, house, how, said, text_of

ANTHROPIC = Dialect.ANTHROPIC_MESSAGES


class Two:
    """Two processes: the one that asks, and the other, whose own provider would say something else."""

    def __init__(self, reply: Reply) -> None:
        self.provider, self.one = house(reply)
        self.own, self.other = house(*(whole(openai_answer("another answer")) for _ in range(3)))
        self.between = Between(self.one, self.other)
        self.first, self.second = call(ZERO_STREAM), call(ZERO_STREAM)

    async def begun(self, tap: Tap, *, count: int = 3) -> tuple[Stream, Stream]:
        """Return the answers to both, of which so many frames have come."""
        asking = asyncio.ensure_future(self.one.engine.handle(self.first))
        await turns()
        joining = asyncio.ensure_future(self.other.engine.handle(self.second))
        await turns()
        await tap.give(*FRAMES[:count])
        return await asking, await joining


def taken(reader: Reader) -> str:
    """Return the text of what has come."""
    return text_of(reader.take())


async def test_it_is_given_as_it_comes() -> None:
    """And is the same to its end, for whoever joins in the other process as well; for that nothing is on a bill."""
    tap = Tap()
    two = Two(tap.reply)
    _, answer = await two.begun(tap)
    reader, third = answer.reader(), call(ZERO_STREAM)
    assert taken(reader) == "one two"
    joined = asyncio.ensure_future(read(await two.other.engine.handle(third)))
    await tap.end(3)
    assert taken(reader) == " three four"
    assert (answer.closed, answer.error, reader.ended) == (True, None, True)
    assert text_of(await joined) == "one two three four"
    assert (how(two.first), how(two.second), how(third)) == ("MISS", "JOINED", "JOINED")
    assert "collapsed" in dict(two.second.told)["cache-status"]
    assert (len(two.provider.calls), two.own.calls) == (1, [])
    paid, saved = two.one.entries[0], two.other.entries
    assert [(one.kind, one.way, one.status, one.cost_picousd) for one in saved] == [
        ("cache", "joined", "settled", 0)
    ] * 2
    assert {one.saved_picousd for one in saved} == {paid.cost_picousd}
    assert two.other.cache.figures.hits == {"joined": 2}
    assert not two.other.cache.figures.misses
    assert [line.cache for line in two.other.lines] == ["joined", "joined"]


async def test_events_are_given_as_events() -> None:
    """An answer in the inner vocabulary is that in the other process, too."""
    events: list[Event] = [
        Started(id="a", model="m", created_at=1, extra={"k": [1]}, extra_dialect=Dialect.OPENAI_CHAT),
        TextDelta(text="Hello"),
        Finished(reason=FinishReason.STOP),
        UsageReported(usage=Usage(input_tokens=3, output_tokens=2)),
        Ended(at=7),
    ]
    two = Two(whole(b""))
    settings = CacheSettings(jitter_percent=0, early_refresh=False)
    two.one = House(Double(told(*events), dialects=INNER), cache=settings)
    two.between = Between(two.one, two.other)
    asking = asyncio.ensure_future(two.one.engine.handle(two.first))
    joining = asyncio.ensure_future(two.other.engine.handle(two.second))
    ours, theirs = asyncio.ensure_future(read(await asking)), asyncio.ensure_future(read(await joining))
    assert await theirs == await ours
    assert (await theirs)[0] == events[0]
    assert two.second.usage == two.first.usage
    assert two.own.calls == []


@pytest.mark.parametrize("finish", ["length", "content_filter"])
async def test_what_is_not_kept_is_given_for_what_it_is(finish: str) -> None:
    """Whoever is given it as it comes sees how it ends; nobody else is given it."""
    tap = Tap()
    two = Two(tap.reply)
    frames = openai_frames("one two", finish=finish)
    asking = asyncio.ensure_future(two.one.engine.handle(two.first))
    await turns()
    joining = asyncio.ensure_future(two.other.engine.handle(two.second))
    await tap.give(*frames[:2])
    ours, theirs = read(await asking), read(await joining)
    await tap.give(*frames[2:], None)
    assert await theirs == await ours
    assert not two.between.entries


async def test_a_break_is_everybodys() -> None:
    """Where the provider breaks off, the other process says so, in the same words."""
    tap = Tap()
    two = Two(tap.reply)
    first, answer = await two.begun(tap)
    await tap.give(ProviderFailed("down", provider="up", failure=Failure.UPSTREAM_ERROR, retryable=False))
    assert first.error is not None
    assert answer.error is not None
    assert (answer.error.code, answer.error.message) == (first.error.code, first.error.message)
    assert [(one.kind, one.status, one.saved_picousd) for one in two.other.entries] == [("cache", "cut", 0)]


async def test_what_is_lost_is_no_end() -> None:
    """Whoever was given its beginning is told that this was not all; the other call goes on."""
    tap = Tap()
    two = Two(tap.reply)
    first, answer = await two.begun(tap)
    two.between.break_off()
    assert answer.closed
    assert isinstance(answer.error, ProducerLost)
    assert not first.closed
    assert (two.second.usage, two.other.lines[-1].code) == (None, "producer_lost")


async def test_what_cannot_be_read_is_no_end() -> None:
    """The words at the end may be those of another version."""
    tap = Tap()
    two = Two(tap.reply)
    _, answer = await two.begun(tap)
    hearing = two.between.hearings[0]
    hearing.words = b"\xc1"
    hearing.wake()
    assert isinstance(answer.error, ProducerLost)
    hearing.wake()
    assert two.between.hearings == []


@pytest.mark.parametrize("head", [b"\xc1", msgspec.msgpack.encode((99, "up/m", 0, None, None, (), False))])
async def test_what_is_not_known_is_not_given(head: bytes) -> None:
    """Of another version, nothing is given before the end; then there is an entry."""
    tap = Tap()
    two = Two(tap.reply)
    two.between.head = head
    asking = asyncio.ensure_future(two.one.engine.handle(two.first))
    await turns()
    joining = asyncio.ensure_future(two.other.engine.handle(two.second))
    await tap.give(*FRAMES[:3])
    assert not joining.done()
    await tap.end(3)
    assert text_of(await read(await asking)) == text_of(await read(await joining)) == "one two three four"
    assert dict(two.second.told)["cache-status"].startswith("narthex; hit")


@pytest.mark.parametrize("model", ["up/another", "up/m"])
async def test_what_is_void_or_anothers_is_not_given(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another model says, or what was declared void since it was asked for: then each asks for itself."""
    tap = Tap()
    two = Two(tap.reply)
    if model == "up/m":
        monkeypatch.setattr(far_flights, "is_void_for_others", lambda *_: True)
    asking = asyncio.ensure_future(two.one.engine.handle(two.first))
    await turns()
    joining = asyncio.ensure_future(two.other.engine.handle(two.second))
    await turns()
    if model != "up/m":
        two.first.target = msgspec.structs.replace(two.first.target, name=model)  # type: ignore[type-var]
    await tap.give(*FRAMES[:3])
    assert not joining.done()
    await tap.end(3)
    await asking
    assert text_of(await read(await joining))


async def test_another_form_waits_for_the_end() -> None:
    """Not streamed, or in another dialect: it is given when it is whole."""
    tap = Tap()
    two = Two(tap.reply)
    two.second = call()
    asking = asyncio.ensure_future(two.one.engine.handle(two.first))
    await turns()
    joining = asyncio.ensure_future(said(two.other, two.second))
    other = call({**MESSAGE, "temperature": 0, "stream": True, "model": "up/m"}, ANTHROPIC)
    await tap.give(*FRAMES[:3])
    assert not two.between.hearings
    await tap.end(3)
    await asking
    assert await joining == "one two three four"
    assert how(two.second) == "JOINED"
    other.read_head()
    assert form_of(other) == b"anthropic.messages/0"


def test_what_is_for_one_call_alone_has_no_form() -> None:
    """What is kept under an ID, and what is not streamed."""
    asked: Exchange = call()
    asked.read_head()
    assert form_of(asked) is None
    kept = call({"model": "up/m", "input": "Hi", "stream": True}, Dialect.OPENAI_RESPONSES)
    kept.read_head()
    assert form_of(kept) is None


async def test_with_the_last_who_wants_it_the_call_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked first may leave: it goes on while somebody hears it elsewhere, and no longer."""
    monkeypatch.setattr(far_flights, "GRACE_S", 0.0)
    tap = Tap()
    two = Two(tap.reply)
    first, answer = await two.begun(tap)
    first.reader().leave()
    await tap.give(*FRAMES[3:5])
    reader = answer.reader()
    assert taken(reader) == "one two three four"
    assert tap.notes == []
    reader.leave()
    await asyncio.sleep(0.01)
    await turns()
    assert tap.notes == ["cancelled"]
    assert two.between.hearings == []


async def test_who_hears_it_no_more_ends_nothing() -> None:
    """Whoever asked first, and is about to read it, has all of it."""
    tap = Tap()
    two = Two(tap.reply)
    first, answer = await two.begun(tap)
    answer.cancel()
    await turns()
    assert (two.between.hearings, two.between.telling) == ([], None)
    reading = asyncio.ensure_future(read(first))
    await tap.end(3)
    assert text_of(await reading) == "one two three four"
    assert "cancelled" not in tap.notes


async def test_who_reads_slowly_is_given_no_more() -> None:
    """Until all is read that came before, as far as it is not held anyway for those who come later."""
    tap = Tap()
    two = Two(tap.reply)
    two.other.cache.max_entry_bytes = 10
    _, answer = await two.begun(tap)
    reader, hearing = answer.reader(), two.between.hearings[0]
    answer._high_water_bytes = 10
    await tap.give(*FRAMES[3:4])
    assert hearing.is_held
    reader.take()
    await turns()
    assert not hearing.is_held
