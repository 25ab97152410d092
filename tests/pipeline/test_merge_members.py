"""Tests of the calls that a call for several models is made of."""

from __future__ import annotations

from collections.abc import Sequence

from narthex.errors import Cancelled, NarthexError
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.gateway import TaskKeeper
from narthex.pipeline.handling import Handling
from narthex.pipeline.merge_members import Member, part_of
from narthex.pipeline.settle import Settlement
from narthex.telemetry.metrics import Metrics
from narthex.types.dialects import Dialect
from narthex.types.events import Event
from narthex.types.requests import ChatRequest
from tests.pipeline.merging_doubles import MESSAGES, Chain
from tests.pipeline.test_merging import turns

REQUEST = ChatRequest(model="a", messages=MESSAGES, n=1)


class Watching:
    """Notes what it is told."""

    held = False

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.ends: list[NarthexError | None] = []
        self.settlements = 0

    def arrived(self, member: Member, events: Sequence[Event]) -> None:
        """Note events."""
        self.events += events

    def ended(self, member: Member, error: NarthexError | None) -> None:
        """Note the end."""
        self.ends.append(error)

    def settled(self) -> None:
        """Note that the books are closed."""
        self.settlements += 1


def begun(chain: Chain, watching: Watching) -> Member:
    """Make a call."""
    parent = Exchange(Dialect.OPENAI_CHAT, b"{}", {}, request=REQUEST)
    member = Member(0, part_of(parent, REQUEST, stream=True), watching)
    member.begin(Handling(chain, Settlement(Metrics(), None)), TaskKeeper().spawn)
    return member


async def test_a_call_goes_its_way_and_is_settled() -> None:
    """Its events come, then its end once, then its books are closed; what it consumed is what they have."""
    chain, watching = Chain(), Watching()
    member = begun(chain, watching)
    await turns()
    chain.say("a", "x")
    chain.end("a")
    assert len(watching.events) == 4
    assert (watching.ends, watching.settlements) == ([None], 1)
    assert member.usage() == member.exchange.usage
    assert member.told()["outcome"] == "ok"


async def test_who_is_let_go_before_it_spoke_pays_for_what_was_sent() -> None:
    """The prompt went out, so its tokens are on the bill, as an estimate."""
    chain, watching = Chain(), Watching()

    async def never(_exchange: Exchange) -> None:
        await turns(10_000)

    chain.before = never
    member = begun(chain, watching)
    await turns()
    member.leave()
    await turns()
    assert isinstance(watching.ends[0], Cancelled)
    assert watching.settlements == 1
    assert member.exchange.usage is not None
    assert member.exchange.usage.estimated
    assert member.told()["outcome"] == "cancelled"


async def test_one_that_never_ran_costs_nothing() -> None:
    """A call that is let go before its first step has an end all the same."""
    watching = Watching()
    member = begun(Chain(), watching)
    member.leave()
    await turns()
    assert len(watching.ends) == watching.settlements == 1
    assert member.usage().total_tokens == 0


async def test_what_is_held_comes_later() -> None:
    """While nothing is taken in, events and the end wait with the call."""
    chain, watching = Chain(), Watching()
    member = begun(chain, watching)
    await turns()
    watching.held = True
    chain.say("a", "x")
    chain.end("a")
    assert not watching.events
    assert watching.settlements == 1
    watching.held = False
    member.pull()
    assert len(watching.events) == 4
    assert watching.ends == [None]


def test_a_part_of_a_call() -> None:
    """It has the caller's limits and urgency, asks for one answer with its usage, and knows what it is a part of."""
    parent = Exchange(Dialect.OPENAI_CHAT, b"{}", {b"traceparent": b"x"}, request=REQUEST)
    parent.total_s, parent.priority = 5.0, 1
    part = part_of(parent, REQUEST, stream=True)
    assert part.merged_into == parent.id
    assert part.headers == parent.headers
    assert part.priority == 1
    assert part.total_s is not None
    assert part.total_s <= 5.0
    request = part.chat_request()
    assert (request.stream, request.include_usage, request.n) == (True, True, None)
