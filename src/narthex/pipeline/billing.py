"""Who pays for a call, and how much: held before it goes out, written down attempt by attempt when it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Protocol, TypedDict

import msgspec

from narthex.errors import Cancelled, LimitsUnreachable, NarthexError
from narthex.ledger.entries import BATCH, COUNTED, MAX_TAGS_CHARACTERS, Entry, Kind, Opened, tags_text
from narthex.ledger.limits.further import Held
from narthex.ledger.limits.headers import ANTHROPIC, OPENAI
from narthex.ledger.limits.matching import Matching, Use
from narthex.ledger.limits.meters import Meters, Reservation
from narthex.ledger.limits.restoring import Restorer
from narthex.ledger.limits.shared import SharedMeters, SharedReservation
from narthex.ledger.limits.uses import ONE_OF_EACH, Amounts
from narthex.ledger.money import usd
from narthex.ledger.prices import Priced, Prices
from narthex.pipeline.estimates import BYTES_PER_TOKEN
from narthex.pipeline.exchange import Exchange, answering
from narthex.pipeline.further import Further, needs_of, own_usage, price_unknown, settle_each
from narthex.providers.catalog import Target
from narthex.routing.facts import read_tags
from narthex.tenancy.keys import LOCAL
from narthex.types.accounts import Account
from narthex.types.catalog import Price
from narthex.types.dialects import Dialect, Operation
from narthex.types.usage import Usage

MAX_NAME: Final = 200
"""Characters of a model's name that are written down."""
READ_S: Final = 5.0
"""How long a call waits at most until prices are read at the start, or what was used of a limit that came since."""
_NOTHING: Final = Usage()
_ANTHROPIC: Final = Dialect.ANTHROPIC_MESSAGES
_COUNT: Final = Operation.COUNT_TOKENS
"""What consumes nothing, and costs nothing, wherever it is offered."""
_GUESSED_PROMPT: Final = 65_536
"""Bytes of a prompt up to which a quarter of them is a fair guess of its tokens: a larger one may carry an image."""

Tags = tuple[tuple[str, str], ...]


class Ledger(Protocol):
    """Where calls are written down."""

    def opened(self, call: Opened, price: Price | None) -> None:
        """Take note of a call before it goes out; see `narthex.ledger.book.Book`."""
        ...

    def came(self, name: str, output_tokens: int) -> None:
        """Take note of how much of its answer has come."""
        ...

    def settled(self, name: str, entries: tuple[Entry, ...]) -> None:
        """Take note of what came of it."""
        ...


class Bill(msgspec.Struct, gc=False):
    """Who pays for a call, and for what; made by position, in the order of the fields."""

    account: Account
    at_ms: int
    """When the call was received, in milliseconds of Unix time: what it costs is looked up by that."""
    kind: Kind
    target: Target
    end_user: str
    tags: Tags
    who: tuple[str, str, str, str, str, str]
    """As in its entries: the organisation, the workspace, the user, the key, the end user, and the tags."""
    what: tuple[str, str, str, str, str]
    """As in its entries: the operation, the surface, the provider, the model, and the model that was asked for."""
    priced: Priced | None
    held: Reservation | SharedReservation | None = None
    further: tuple[Held, ...] = ()
    """What is held for further targets."""
    closed: bool = False
    matching: Matching | None = None
    """The limits that were asked whether it may go out."""

    def holds(self) -> Iterator[Held]:
        """Yield what is held, in the order in which it came."""
        if self.held is not None:
            yield self.held
        yield from self.further


class Billing:
    """Writes the bills of all calls."""

    def __init__(
        self, ledger: Ledger, prices: Prices, meters: Meters | None = None, *, guessed_output_tokens: int = 1_000
    ) -> None:
        """Take where calls are written down.

        Args:
            ledger: Takes them.
            prices: Know what they cost.
            meters: Say what they may use.
            guessed_output_tokens: What is held for an answer whose length the request does not limit.

        Attributes:
            further: Holds what a call needs for further targets.
            restorer: Reads what was used of limits that come while this process runs.
            shared: Where several processes share their limits, what to ask instead.
            ready: Set while it is known what was used of the limits before this process began.
            broken: Why that will not be known.
            prices_read: Set while the prices in the database are known, or it is away.
        """
        self._ledger = ledger
        self.prices = prices
        self.meters = Meters() if meters is None else meters
        self.further = Further(self)
        self.shared: SharedMeters | None = None
        self.ready, self.prices_read = asyncio.Event(), asyncio.Event()
        self.ready.set()
        self.prices_read.set()
        self.broken: NarthexError | None = None
        self.restorer: Restorer | None = None
        self._guessed = guessed_output_tokens
        self._under_way: dict[str, Exchange] = {}

    # -- before a call goes out ------------------------------------------------------------------------------------

    def open(self, exchange: Exchange, *, limited: bool = True) -> None:
        """Hold what a call is likely to use, and write down that it goes out.

        Raises:
            LimitExceeded: It may not.
            PriceUnknown: Nobody knows what it costs, and a hard limit of money concerns it.
            LedgerUnavailable: It cannot be written down.
        """
        bill, meters = self.bill_of(exchange), self.meters
        bill.matching = meters.matching
        if limited and meters.matching.limits:
            kind = self.use(exchange, bill, bill.target.name) if meters.matching.by_use else bill.account
            plan = meters.plan(kind)
            if plan is not None:
                sized = plan.sized  # else no limit looks at more than that there is a call
                needs = needs_of(exchange, bill.target, bill.priced, self._guessed) if sized else ONE_OF_EACH
                self._held(exchange, bill, meters.hold(plan, needs))
        self._begin(exchange, bill)

    @property
    def waits(self) -> bool:
        """Whether `open_later` is to be used: prices or limits are not known in full yet, or limits are shared."""
        return not self.prices_read.is_set() or self._is_limited_late

    @property
    def _is_limited_late(self) -> bool:
        late = self.shared is not None or self.broken is not None or not self.ready.is_set()
        late = late or (self.restorer is not None and bool(self.restorer.wanted))
        return late and bool(self.meters.matching.limits)

    async def open_later(self, exchange: Exchange) -> None:
        """Do what `open` does, where that takes a moment; also raises what `SharedMeters.reserve` does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READ_S):
                await self.prices_read.wait()
        if not self._is_limited_late:
            self.open(exchange)
            return
        await self.ready.wait()
        bill = self.bill_of(exchange)
        asked = self._asked(exchange, bill)
        if self.shared is None:
            await self._until_read(self.use(exchange, bill, bill.target.name))
            bill.matching = self.meters.matching
            self._held(exchange, bill, self.meters.reserve(bill.account, **asked))
        else:
            self._held(exchange, bill, await self.shared.reserve(bill.account, **asked))
        if bill.held is not None and self.broken is not None:
            bill.held.release()
            raise self.broken
        self._begin(exchange, bill)

    async def _until_read(self, use: Use) -> None:
        """Wait until it is known what was used of a call's limits; raises `LimitsUnreachable` if that takes long."""
        restorer = self.restorer
        if restorer is None or self.broken is not None:
            return
        try:
            async with asyncio.timeout(READ_S):
                await restorer.until_read(lambda: [one.id for one, _ in self.meters.matching.of(use) if one.hard])
        except TimeoutError as error:
            raise LimitsUnreachable(
                "what was used of a new limit cannot be read from the ledger yet", retry_after_s=READ_S
            ) from error

    def _begin(self, exchange: Exchange, bill: Bill) -> None:
        """Write down that a call goes out."""
        try:
            self._note(exchange, bill)
        except BaseException:
            if bill.held is not None:
                bill.held.release()
            raise
        exchange.bill = bill
        if exchange.streaming:
            self._under_way[exchange.id] = exchange

    def note_progress(self) -> None:
        """Write down how much of each streamed answer has come: what is charged if this process is killed."""
        for name, exchange in self._under_way.items():
            answer = exchange.answer
            if answer is not None and not answer.closed:
                self._ledger.came(name, answer.events_total or answer.frames_total)

    def bill_of(self, exchange: Exchange) -> Bill:
        """Return who pays for a call, and by which price."""
        account, target, head = (exchange.caller or LOCAL).account, exchange.target, exchange.head
        assert target is not None
        said, name, asked = exchange.headers.get(b"x-narthex-tags"), target.name, exchange.model_asked[:MAX_NAME]
        tags = account.tags if said is None else _tags(account.tags, said)
        end_user, tagged = "" if head is None else head.end_user, tags_text(tags) if tags else ""
        organisation_id = account.organisation_id
        # Asked anew each time: clocks are set, and machines sleep.
        at_ms = int((exchange.received_at + time.time() - time.monotonic()) * 1_000)
        return Bill(
            account,
            at_ms,
            _kind(exchange),
            target,
            end_user,
            tags,
            (organisation_id, account.workspace_id, account.user_id, account.key_id, end_user, tagged),
            (str(exchange.operation), str(exchange.dialect), name.partition("/")[0], name[:MAX_NAME], asked),
            self.prices.of(organisation_id, name, at_ms),
        )

    def needs(self, exchange: Exchange, bill: Bill, target: Target) -> Amounts:
        """Return what one answer of a target is likely to use."""
        return needs_of(exchange, target, self.priced(bill, target.name), self._guessed)

    def priced(self, bill: Bill, model: str) -> Priced | None:
        """Return the price of a model at the time of a call; None if it is not known."""
        return self.prices.of(bill.account.organisation_id, model, bill.at_ms)

    def use(self, exchange: Exchange, bill: Bill, model: str) -> Use:
        """Return by whom, and for what, a model is asked."""
        return Use(bill.account, model, exchange.model_asked, bill.end_user, bill.tags)

    def _asked(self, exchange: Exchange, bill: Bill) -> _Asked:
        """Return what a call is likely to use."""
        _, read, written, _, cost, _ = needs_of(exchange, bill.target, bill.priced, self._guessed)
        return _Asked(
            model=bill.target.name,
            model_asked=exchange.model_asked,
            end_user=bill.end_user,
            tags=bill.tags,
            input_tokens=read,
            output_tokens=written,
            picousd=cost,
        )

    def _held(self, exchange: Exchange, bill: Bill, held: Reservation | SharedReservation | None) -> None:
        """Keep what a call holds, and tell its caller how the limits stand."""
        if held is None:
            return
        if bill.priced is None and held.has_budget and exchange.operation is not _COUNT:
            held.release()
            raise price_unknown(bill.target.name)
        bill.held = held
        exchange.told += held.headers(ANTHROPIC if exchange.dialect is _ANTHROPIC else OPENAI)

    def _note(self, exchange: Exchange, bill: Bill) -> None:
        priced = bill.priced
        name, price_id, price, cost = exchange.id, "", None, 0
        tokens = 0 if exchange.operation is _COUNT else min(len(exchange.body), _GUESSED_PROMPT) // BYTES_PER_TOKEN
        if priced is not None:
            price_id, price = priced.id, priced.price
            cost = tokens * price.input_microusd_per_mtok
        organisation, workspace, user, key, end_user, tags = bill.who
        operation, surface, _, model, asked = bill.what
        # By position and without a star, as everywhere on the way of every call: with one it costs twice as much.
        call = Opened(
            name, bill.at_ms, exchange.merged_into or name,
            organisation, workspace, user, key, end_user, tags,
            operation, surface, model, asked,
            bill.kind, price_id, tokens, cost,
        )  # fmt: skip
        self._ledger.opened(call, price)

    # -- when it has ended -----------------------------------------------------------------------------------------

    def close(self, exchange: Exchange, bill: Bill, usage: Usage | None, error: NarthexError | None) -> None:
        """Write down what came of a call, and charge it."""
        attempts, name, held = exchange.attempts, exchange.id, bill.held
        if attempts:
            entries = tuple(self._entries(exchange, bill, usage, error))
            read, written, cost = _sums(entries)
        else:
            entry = self._plain(exchange, bill, usage, error)
            entries, read, written, cost = (entry,), entry.input_tokens, entry.output_tokens, entry.cost_picousd
        self._ledger.settled(name, entries)
        if self._under_way:
            self._under_way.pop(name, None)
        bill.closed = True
        others = bill.matching is not self.meters.matching and self.shared is None  # limits came, or went, meanwhile
        if others or bill.further or bill.kind == "shadow" or (attempts and _are_several(bill, entries)):
            settle_each(self, exchange, bill, entries)
        elif held is not None:
            held.settle(read, written, cost)
        answer = exchange.answer
        if bill.priced is not None and answer is not None and answer.whole and (not attempts or _are_priced(entries)):
            exchange.told += (("x-narthex-cost", usd(cost)),)

    def _plain(self, exchange: Exchange, bill: Bill, usage: Usage | None, error: NarthexError | None) -> Entry:
        """Return the entry of a call that one attempt was made at, or none: as `_entry` does, for nearly all calls."""
        duration_ms = int((time.monotonic() - exchange.received_at) * 1_000)
        status, code = ("settled", "ok") if error is None else (_status(exchange, usage), error.code)
        name, kind, target, priced = exchange.id, bill.kind, exchange.target, bill.priced
        assert target is not None
        if target is not bill.target:
            way = _Way(0, "first", target.name, True, code)
            return self._entry(exchange, bill, way, usage, status=status, duration_ms=duration_ms)
        used = _NOTHING if usage is None or exchange.operation is _COUNT else usage.plausible()
        price_id = "" if priced is None else priced.id
        cost = 0 if priced is None or used is _NOTHING else priced.price.picousd(used, batch=kind is BATCH)
        organisation, workspace, user, key, end_user, tags = bill.who
        operation, surface, provider, model, asked = bill.what
        return Entry(
            name + ":0", bill.at_ms, kind, status, exchange.merged_into or name, 0, "first",
            organisation, workspace, user, key, end_user, tags,
            operation, surface, provider, model, asked, code, 1 if kind in COUNTED else 0,
            used.input_tokens, used.output_tokens, used.cache_read_tokens, used.cache_write_tokens,
            used.reasoning_tokens, used.estimated, price_id, cost, 0, duration_ms,
            used.images, used.audio_ms, used.cache_write_1h_tokens,
        )  # fmt: skip

    def _entries(
        self, exchange: Exchange, bill: Bill, usage: Usage | None, error: NarthexError | None
    ) -> Iterator[Entry]:
        """Yield an entry for each attempt; what no attempt has for itself, the one has that brought the answer."""
        attempts = exchange.attempts
        answered = answering(attempts)
        known: list[Usage] = []
        for number, tried in enumerate(attempts):
            own = own_usage(tried)
            if own is None and number == answered and exchange.instead_of is None:
                own = usage
            if own is not None:
                known.append(own)
            whole = number == answered and error is None
            status = "settled" if whole else ("cut" if own is not None else "failed")
            code = "ok" if whole else str(tried.failure or (error and error.code) or "ok")
            last = number == (len(attempts) - 1 if answered is None else answered)
            way = _Way(number, tried.way, tried.target, last, code)
            yield self._entry(exchange, bill, way, own, status=status, duration_ms=tried.duration_us // 1_000)
        if answered is None and isinstance(error, Cancelled) and exchange.sent and usage is not None:
            # Whom the caller left before an answer: what was sent may be billed, as far as no attempt has it already.
            rest = _beyond(usage, known)
            if rest is not None:
                assert exchange.target is not None
                way = _Way(len(attempts), "retry", exchange.target.name, False, error.code)
                yield self._entry(exchange, bill, way, rest, status="cut", duration_ms=0)

    def _entry(
        self, exchange: Exchange, bill: Bill, way: _Way, usage: Usage | None, *, status: str, duration_ms: int
    ) -> Entry:
        """By position, in the order of the fields: names would cost as much again as the entry itself."""
        name, target, priced = exchange.id, exchange.target, bill.priced
        if target is None or way.model != target.name or exchange.attempts:
            priced = self.prices.of(bill.account.organisation_id, way.model, bill.at_ms)
        asked = exchange.model_asked[:MAX_NAME]
        used = _NOTHING if usage is None or exchange.operation is _COUNT else usage.plausible()
        return Entry(
            *(f"{name}:{way.number}", bill.at_ms, bill.kind, status, exchange.merged_into or name, way.number, way.way),
            *bill.who,
            *(str(exchange.operation), str(exchange.dialect)),
            *(way.model.partition("/")[0], way.model[:MAX_NAME], asked, way.code),
            1 if way.stands_for_it and bill.kind in COUNTED else 0,
            *(used.input_tokens, used.output_tokens, used.cache_read_tokens, used.cache_write_tokens),
            *(used.reasoning_tokens, used.estimated),
            "" if priced is None else priced.id,
            0 if priced is None or used is _NOTHING else priced.price.picousd(used, batch=bill.kind is BATCH),
            *(0, duration_ms, used.images, used.audio_ms, used.cache_write_1h_tokens),
        )


class _Asked(TypedDict):
    """What a call is likely to use, as meters are asked for it."""

    model: str
    model_asked: str
    end_user: str
    tags: Tags
    input_tokens: int
    output_tokens: int
    picousd: int


class _Way(NamedTuple):
    """Which of a call's attempts an entry is about."""

    number: int
    way: str
    model: str
    stands_for_it: bool
    """Whether it is the one that is counted as the request."""
    code: str


def _kind(exchange: Exchange) -> Kind:
    if exchange.shadow_of is not None:
        return "shadow"
    if exchange.is_batch_line:
        return BATCH
    if exchange.prefetches:
        return "prefetch"
    return "judge" if exchange.judges else "call"


def _are_several(bill: Bill, entries: tuple[Entry, ...]) -> bool:
    """Tell whether others were asked than the model for which something was held at first."""
    model = bill.what[3]
    return any(entry.model != model for entry in entries)


def _sums(entries: tuple[Entry, ...]) -> tuple[int, int, int]:
    """Return the tokens read and written, and what they cost, of all attempts."""
    read, written = sum(entry.input_tokens for entry in entries), sum(entry.output_tokens for entry in entries)
    return read, written, sum(entry.cost_picousd for entry in entries)


def _are_priced(entries: tuple[Entry, ...]) -> bool:
    return len(entries) == 1 or all(entry.price_id for entry in entries)


def _beyond(usage: Usage, known: Sequence[Usage]) -> Usage | None:
    """Return what a call consumed beyond what is known of its attempts; None if that is nothing."""
    read = usage.input_tokens - sum(one.input_tokens for one in known)
    written = usage.output_tokens - sum(one.output_tokens for one in known)
    if read <= 0 and written <= 0:
        return None
    return Usage(input_tokens=max(0, read), output_tokens=max(0, written), estimated=True) if known else usage


def _status(exchange: Exchange, usage: Usage | None) -> str:
    """Return what became of a call that has no whole answer."""
    if usage is not None:
        return "cut"
    return "failed" if exchange.sent else "released"


def _tags(of_key: Tags, said: bytes) -> Tags:
    """Return the tags of a call: those of its key, which nobody else can change, and those that it brings itself.

    Of the latter as many as are written down beside the former.
    """
    tags = dict(of_key)
    left = MAX_TAGS_CHARACTERS - sum(len(name) + len(value) + 2 for name, value in of_key)
    for name, _, value in sorted(tag.partition("=") for tag in read_tags(said)):
        size = len(name) + len(value) + 2
        if name not in tags and size <= left:
            tags[name] = value
            left -= size
    return tuple(sorted(tags.items()))
