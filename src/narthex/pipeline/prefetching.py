"""Has answers made before they are asked for, where that is likely enough to pay, within a budget and room to spare.

An answer that is made so is an ordinary entry of the cache, under the key that its question has, in the name and on the
account of whoever is likely to ask it: the call goes the way of every call, with the lowest priority, and is written
down in the ledger as `prefetch`. Nothing is made of calls with tools, or of what lies elsewhere and may change.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Final, Literal

import msgspec
import orjson

from narthex.cache.entries import Entry
from narthex.cache.keys import refers_elsewhere
from narthex.cache.predictive.mind import Mind, Prospect, Sample
from narthex.cache.predictive.mind import Terms as Worth
from narthex.cache.predictive.minds import Minds
from narthex.cache.store import Cache
from narthex.config.cache_settings import PredictiveSettings
from narthex.errors import Cancelled, NarthexError
from narthex.pipeline.cache_terms import CONTROL_HEADER, OWN_HEADER, Terms, is_deterministic
from narthex.pipeline.contract import Spawn
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.shadows import acts_by_itself
from narthex.streams.stream import Stream
from narthex.tenancy.keys import LOCAL, Caller
from narthex.types.dialects import Dialect, Operation
from narthex.types.limits import Limit, Measure, Period, SubjectKind
from narthex.types.messages import ToolCall, ToolResult
from narthex.types.requests import ChatRequest

logger = logging.getLogger(__name__)

TAG: Final = "narthex-prefetch"
"""Marks these calls in the ledger, with the workspace; the budget of a day is a limit on it."""
PAUSE_S: Final = 30.0
"""How long a model is left alone with them after one has failed."""
_MOST_ASKERS: Final = 16_384
_PICO_PER_USD: Final = 1_000_000_000_000
_KEPT: Final = (
    *(OWN_HEADER, CONTROL_HEADER, b"anthropic-beta", b"anthropic-version", b"openai-beta"),
    *(b"x-narthex-tags", b"x-narthex-conversation", b"x-narthex-context-cache"),
)
"""Headers with which a call is made again."""

Outcome = Literal["made", "held", "busy", "refused", "changed"]
"""What became of one: its answer was made; is there already; there was no room to spare; it was not let pass, or
failed; it would be another question now, as the configuration has changed."""


class Again(msgspec.Struct, frozen=True):
    """A call, as it is made once more."""

    dialect: Dialect
    operation: Operation
    body: bytes
    headers: Mapping[bytes, bytes]
    target: str


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a question that is likely to be asked next."""

    key: str
    outcome: Outcome


def budget_limit(settings: PredictiveSettings) -> tuple[Limit, ...]:
    """Return the limit that holds these calls to their budget: each workspace's, each day; none where they are off."""
    if not settings.enabled:
        return ()
    return (
        Limit(
            id=f"cap:{TAG}",
            subject_kind=SubjectKind.TAG,
            subject=f"{TAG}=*",
            measure=Measure.COST,
            amount=round(settings.budget_usd_per_day * 1_000_000),
            period=Period.DAY,
        ),
    )


class Prefetching:
    """Learns from all calls that may be answered from the cache, and has some answered early.

    Attributes:
        minds: What is known of each principal.
        outcomes: What became of those that were to be made, counted.
        spent: What the answers cost that were made, in picodollars, by whose they are.
    """

    handle: Callable[[Exchange], Awaitable[Stream]]

    def __init__(
        self,
        settings: PredictiveSettings,
        cache: Cache,
        spawn: Spawn,
        *,
        available: Callable[[str], bool] = lambda _name: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Know nothing yet.

        Args:
            settings: The configuration.
            cache: Where answers are.
            spawn: Keeps tasks.
            available: Tells whether a model has room to spare.
            clock: Tells seconds.
        """
        self.settings = settings
        self.minds: Minds[Again] = Minds()
        self.outcomes: Counter[Outcome] = Counter()
        self.spent: Counter[str] = Counter()
        self._cache = cache
        self._spawn = spawn
        self.available = available
        self._clock = clock
        self._under_way: set[bytes] = set()
        self._askers: dict[bytes, str] = {}
        """Who asked what last: what its answer costs is theirs to know."""
        self._left_alone: dict[str, float] = {}

    @property
    def worth(self) -> Worth:
        """When it pays."""
        given = self.settings
        return Worth(least=given.least_probability, picousd_per_s=given.usd_per_s * _PICO_PER_USD)

    def adopt(self, settings: PredictiveSettings) -> None:
        """Go by other settings from now on."""
        self.settings = settings
        if not settings.enabled:
            self.forget()

    def asked(self, exchange: Exchange, terms: Terms) -> None:
        """Learn from a call, and have made what is likely to be asked next; say on it whether its answer was made.

        Raises:
            Cancelled: It is one of those that are made early, and its question would be another one by now.
        """
        if exchange.prefetches:
            if exchange.prefetches != terms.key:
                raise Cancelled("what was likely to be asked would be another question by now")
            return
        caller = exchange.caller or LOCAL
        workspaces = self.settings.workspaces
        if not self.settings.enabled or not ("*" in workspaces or caller.account.workspace_id in workspaces):
            return
        who, now, session = principal(caller, terms.scope), self._clock(), session_of(exchange)
        mind = self.minds.of(who)
        exchange.foreseen = mind.asked(session, terms.key, now)
        self._askers[terms.key] = who
        if len(self._askers) > _MOST_ASKERS:
            del self._askers[next(iter(self._askers))]
        self._remember(mind, exchange, terms)
        prospects = mind.prospects(session, self.worth, most=self.settings.most)
        # The cheapest first: vectors before answers.
        for prospect in sorted(prospects, key=lambda one: 0 if one.sample is None else one.sample.picousd):
            if _is_known(prospect) and mind.bet(prospect, now=now, is_held=self.is_held):
                self._spawn(self._make_quietly(mind, prospect, caller, exchange.peer))

    def kept(self, entry: Entry) -> None:
        """Take note of what an answer cost that is kept, and how long it took."""
        mind = self.minds.known(self._askers.get(entry.key, ""))
        sample = None if mind is None else mind.sample(entry.key)
        if sample is not None:
            sample.picousd, sample.took_s = entry.cost_picousd, max(entry.took_ms, 1) / 1_000

    def is_held(self, key: bytes) -> bool:
        """Tell whether there is an answer, or it is being made."""
        held = self._cache.memory.peek(key)
        if key in self._under_way:
            return True
        return held is not None and self._cache.is_alive(held.entry)

    def prospects(self, caller: Caller, session: str) -> list[tuple[Mind[Again], Prospect[Again]]]:
        """Return what a caller is likely to ask next, by that caller's own past alone; the likeliest first."""
        found = [
            (mind, prospect)
            for name, mind in self.minds.all()
            if is_of(name, caller)
            for prospect in mind.prospects(session, self.worth, most=self.settings.most)
        ]
        return sorted(found, key=lambda one: -one[1].probability)

    async def make(
        self, mind: Mind[Again], prospect: Prospect[Again], caller: Caller, peer: tuple[str, int] | None
    ) -> Outcome:
        """Have an answer made, if there is room to spare; return what became of it."""
        sample, key = prospect.sample, prospect.intent
        outcome: Outcome = "busy"
        if sample is None:
            outcome = "changed"
        elif self.is_held(key):
            outcome = "held"
        elif self._has_room(sample.call.target):
            self._under_way.add(key)
            try:
                outcome = await self._sent(sample.call, key, caller, peer)
            finally:
                self._under_way.discard(key)
            if outcome == "made":
                mind.record.sent(key)
        self.outcomes[outcome] += 1
        return outcome

    def forget(self) -> None:
        """Know nothing any more."""
        self.minds.forget()
        self._askers.clear()

    def lines(self) -> Iterator[str]:
        """Yield the counters in Prometheus's text format."""
        yield "# HELP narthex_prefetch_total Answers that were to be made before they are asked for, by outcome."
        yield "# TYPE narthex_prefetch_total counter"
        for outcome, count in sorted(self.outcomes.items()):
            yield f'narthex_prefetch_total{{outcome="{outcome}"}} {count}'

    def _remember(self, mind: Mind[Again], exchange: Exchange, terms: Terms) -> None:
        if not may_be_made(exchange, terms):
            return
        body = unstreamed(exchange.body) if exchange.streaming else exchange.body
        headers = {name: exchange.headers[name] for name in _KEPT if name in exchange.headers}
        target = exchange.target
        assert target is not None
        again = Again(exchange.dialect, exchange.operation, body, headers, target.name)
        mind.remember(terms.key, Sample(call=again, size_bytes=len(body) + 512, fresh_s=terms.fresh_ms / 1_000))

    def _has_room(self, target: str) -> bool:
        if len(self._under_way) >= self.settings.parallel or not self.available(target):
            return False
        return self._clock() >= self._left_alone.get(target, 0.0)

    async def _make_quietly(
        self, mind: Mind[Again], prospect: Prospect[Again], caller: Caller, peer: tuple[str, int] | None
    ) -> None:
        await self.make(mind, prospect, caller, peer)

    async def _sent(self, again: Again, key: bytes, caller: Caller, peer: tuple[str, int] | None) -> Outcome:
        said = again.headers.get(b"x-narthex-tags")
        tag = f"{TAG}={caller.account.workspace_id}".encode()
        tags = tag if not said else b"%b, %b" % (said, tag)
        headers = {**again.headers, b"x-narthex-tags": tags, b"x-narthex-priority": b"low"}
        exchange = Exchange(again.dialect, again.body, headers, again.operation, caller=caller, peer=peer)
        exchange.prefetches = key
        try:
            answer = await self.handle(exchange)
            reader = answer.reader()
            while await reader.wait():
                reader.take()
            if answer.error is not None:
                raise answer.error
        except NarthexError as error:
            if isinstance(error, Cancelled):
                return "changed"
            logger.info("an answer could not be made before it is asked for: %s", error)
            if len(self._left_alone) > 1_000:
                self._left_alone.clear()
            self._left_alone[again.target] = self._clock() + PAUSE_S
            return "refused"
        self.spent[caller.owner] += self._cost_of(exchange, key)
        return "made"

    def _cost_of(self, exchange: Exchange, key: bytes) -> int:
        held = self._cache.memory.peek(key)
        return held.entry.cost_picousd if held is not None and held.entry.maker == exchange.id else 0


def principal(caller: Caller, scope: str) -> str:
    """Return by what those are known who learn together: one key of one person, within what they share answers with."""
    account = caller.account
    return f"{caller.owner}\0{account.key_id}\0{account.user_id}\0{caller.name}\0{scope}"


def is_of(name: str, caller: Caller) -> bool:
    """Tell whether a principal is a caller's."""
    return name.startswith(principal(caller, ""))


def session_of(exchange: Exchange) -> str:
    """Return which conversation, or whose, a call belongs to, as far as it says so."""
    said = exchange.headers.get(b"x-narthex-conversation")
    if said:
        return said.decode("latin-1")
    return "" if exchange.head is None else exchange.head.end_user


def may_be_made(exchange: Exchange, terms: Terms) -> bool:
    """Tell whether a call may be made again without being asked for: it changes nothing, and nothing is kept of it."""
    said = terms.directives
    if not (said.look and said.store) or said.only or not exchange.body or exchange.keeping is not None:
        return False
    request = exchange.given_request
    if request is None or acts_by_itself(exchange.body) or not (said.asked or is_deterministic(request)):
        return False
    if not isinstance(request, ChatRequest):
        return True
    acts = any(isinstance(part, ToolCall | ToolResult) for message in request.messages for part in message.parts)
    return not (request.tools or acts or refers_elsewhere(request))


def unstreamed(body: bytes) -> bytes:
    """Return a request for a stream as one for a whole answer: the cache knows them as one."""
    document = orjson.loads(body)
    document.pop("stream_options", None)
    document["stream"] = False
    return orjson.dumps(document)


def _is_known(prospect: Prospect[Again]) -> bool:
    """Tell whether it is known what its answer costs: it was answered at least once."""
    return prospect.sample is not None and prospect.sample.took_s > 0
