"""What is tried next when an attempt has failed: the same target again, another one, or nothing.

What a failure means stands in `narthex.resilience.decisions`; here it is carried out, within the call's deadline.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import NamedTuple, Protocol, cast

from narthex.errors import Failure, NarthexError, ProviderOverloaded, without_frames
from narthex.pipeline.allowing import hold_back, tokens_of
from narthex.pipeline.exchange import Exchange, Tried
from narthex.pipeline.waiting import give_back, wait_for_place
from narthex.providers.catalog import Target
from narthex.resilience.allowances import Allowance
from narthex.resilience.backoff import Backoff
from narthex.resilience.boards import BreakerBoard
from narthex.resilience.breakers import BreakerState
from narthex.resilience.budget import RetryBudget
from narthex.resilience.concurrency import Permit
from narthex.resilience.decisions import Decision, Policy, decide, failure_of, rule_of
from narthex.resilience.gates import Gate
from narthex.resilience.places import Places
from narthex.resilience.recovery import Recovery as Counters
from narthex.resilience.recovery import Way
from narthex.resilience.scopes import scope_of
from narthex.routing.figures import Figures
from narthex.routing.windows import larger

Chain = Callable[[Exchange], Sequence[Target]]
"""Returns whom else a call may go to, best first."""
Attempt = Callable[[Exchange, Target], Awaitable[None]]
"""Makes one attempt, and sets the exchange's answer."""


class Failed(NamedTuple):
    """Where a call stands whose first attempts have failed."""

    target: Target
    """From whom it goes on."""
    error: NarthexError
    """Why that one gave no answer."""
    spent: tuple[str, ...] = ()
    """Who need not be asked again."""


class Further(Protocol):
    """Holds what calls need for further targets; see `narthex.pipeline.further`."""

    def __call__(
        self, exchange: Exchange, target: Target, /, *, beside: Target | None = None
    ) -> Awaitable[NarthexError | None]:
        """Hold what a target needs that is to be asked next; return why it may not be asked, if so."""
        ...


class FirstAttempts(Protocol):
    """Makes the first attempts at calls, in place of a single one."""

    async def first(self, recovery: Recovery, exchange: Exchange, attempt: Attempt, /) -> Failed | None:
        """Make them, and note them; tell where the call stands if none brought an answer."""
        ...


@dataclass(slots=True, kw_only=True)
class Recovery:
    """Carries calls past the failures of their targets."""

    chain: Chain
    policy: Policy = field(default_factory=Policy)
    backoff: Backoff = field(default_factory=Backoff)
    budget: RetryBudget = field(default_factory=RetryBudget)
    board: BreakerBoard = field(default_factory=BreakerBoard)
    places: Places = field(default_factory=Places)
    figures: Figures | None = None
    counters: Counters = field(default_factory=Counters)
    hedger: FirstAttempts | None = None
    further: Further | None = None
    # Jitter is no secret.
    chance: random.Random = field(default_factory=random.Random)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def has_spare(self, name: str) -> bool:
        """Tell whether the model `provider/model` has room for a call that nobody waits for."""
        return self.board.available(name) and self.places.has_spare(name)

    async def carry(self, exchange: Exchange, attempt: Attempt) -> None:
        """Make attempts until one succeeds or no other is worth it.

        Raises:
            NarthexError: The last attempt failed with this.
        """
        target = exchange.target
        assert target is not None
        if self.hedger is not None:
            failed = await self.hedger.first(self, exchange, attempt)
        else:
            begun = monotonic()
            error = await self.try_once(exchange, attempt, target, begun)
            if error is None:
                return
            exchange.note_attempt(Tried.of(target, "first", begun, error))
            failed = Failed(target, error)
        if failed is not None and exchange.prefetches:
            # Nobody waits for it: it is not tried again where others may be in need.
            raise failed.error
        if failed is not None:
            await _Course(self, exchange, attempt, failed).follow(failed.error)

    def try_once(
        self, exchange: Exchange, attempt: Attempt, target: Target, begun: float
    ) -> Coroutine[object, object, NarthexError | None]:
        """Make one attempt, and keep the books of its target; return why it failed, if it did."""
        allowance = self.places.allowances.known.get(target.name)
        if allowance is None:
            return self._try(exchange, attempt, target, begun)
        return self._try_as_allowed(exchange, attempt, target, allowance)

    async def _try_as_allowed(
        self, exchange: Exchange, attempt: Attempt, target: Target, allowance: Allowance
    ) -> NarthexError | None:
        """Make one attempt as soon as the target allows it, by what it told."""
        patience_s = self.places.policy.queue_timeout_s
        error = await hold_back(
            exchange,
            allowance,
            deadline_s=min(deadline_of(exchange, target), monotonic() + patience_s),
            others=(other.name for other in self.chain(exchange) if other.name != target.name),
            known=self.places.allowances,
        )
        if error is not None:
            return error
        tokens = tokens_of(exchange)
        allowance.begin(tokens)
        try:
            return await self._try(exchange, attempt, target, monotonic())
        finally:
            allowance.end(tokens)

    async def _try(self, exchange: Exchange, attempt: Attempt, target: Target, begun: float) -> NarthexError | None:
        place = self.places.of(target.name).try_acquire(begun)
        if place is None:
            try:
                place, begun = await self.place_at(target, exchange), monotonic()
            except NarthexError as error:
                return error
        gate = self.board.gate(target.name)
        turn = gate.allow()
        if not turn:
            return left_alone(target, gate, place)
        figures, watched = self.figures, False
        if figures is not None:
            figures.begin(target.name)
        try:
            await attempt(exchange, target)
            watched = self._begun_well(exchange, gate, place, monotonic() - begun, turn)
        except BaseException as error:
            self._ended_badly(gate, place, error, duration_s=monotonic() - begun, turn=turn)
            if not isinstance(error, NarthexError):
                raise
            return error
        finally:
            if figures is not None and not watched:
                figures.end(target.name)
        return None

    def _ended_badly(self, gate: Gate, place: Permit, error: BaseException, *, duration_s: float, turn: int) -> None:
        """Leave a target that gave no answer; only a failure is held against it."""
        if not isinstance(error, NarthexError):
            gate.abandoned(turn)
            place.release()
            return
        self.went_wrong(gate, error, turn, place=place)
        if self.figures is not None:
            self.figures.failed(gate.name, duration_s)

    async def place_at(self, target: Target, exchange: Exchange) -> Permit:
        """Return a place at a target, waited for if need be; who is left alone is not waited for.

        Raises:
            NarthexError: There is none in time.
        """
        gate = self.board.gate(target.name)
        if not gate.available():
            raise left_alone(target, gate)
        others = any(other.name != target.name for other in self.chain(exchange))
        limit, deadline = self.places.of(target.name), deadline_of(exchange, target)
        return await wait_for_place(exchange, limit, deadline_s=deadline, others=others)

    def _begun_well(self, exchange: Exchange, gate: Gate, place: Permit, duration_s: float, turn: int) -> bool:
        """Count an answer, or have its stream watched to its end; True if it is."""
        if self.figures is not None:
            self.figures.observe(gate.name, duration_s)
        if exchange.answer is None or exchange.answer.closed:
            self.went_well(gate, duration_s, turn)
            place.succeeded()
            return False
        exchange.watch = _StreamWatch(self, gate, place, duration_s=duration_s, turn=turn)
        return True

    def went_well(self, gate: Gate, duration_s: float, turn: int) -> None:
        """Count an answer to the credit of its target, and of all retries."""
        gate.succeeded(duration_s, turn)
        self.budget.succeeded()

    def went_wrong(self, gate: Gate, error: NarthexError, turn: int, *, place: Permit) -> None:
        """Leave the target, and count a failure against it and its provider, as far as it is their fault."""
        known = give_back(place, error)
        self.counters.failed(failure_of(error))
        if known:
            # Many calls at once met one limit: that is no row of failures.
            gate.abandoned(turn)
        else:
            gate.failed(turn, scope_of(error), breaks=rule_of(error).breaks)

    async def refusal(self, exchange: Exchange, target: Target, *, beside: Target | None = None) -> NarthexError | None:
        """Return why a further target may not be asked; None if it may, and what that needs is held."""
        return None if self.further is None else await self.further(exchange, target, beside=beside)

    def adopt(self, other: Recovery) -> None:
        """Go by other settings from now on; what is known of targets, and what retries are left, is kept."""
        self.chain, self.policy, self.backoff, self.figures = other.chain, other.policy, other.backoff, other.figures
        self.hedger = other.hedger
        self.budget.adopt(other.budget.policy)

    def helpers(self, exchange: Exchange, error: NarthexError) -> Iterator[Target]:
        """Yield who may give the rest of an answer that broke: the same target only if it is not silent."""
        broke = exchange.target
        assert broke is not None
        deadline = deadline_of(exchange, broke)
        decision = decide(error, policy=self.policy, remaining_s=deadline - monotonic())
        if decision is Decision.TRUTH:
            return
        others = [target for target in self.chain(exchange) if target.name != broke.name]
        again = [broke] if decision is Decision.RETRY_HERE and self.budget.take() else []
        for target in (*again, *others):
            remaining_s = deadline - monotonic()
            if remaining_s <= 0:
                return
            if self.board.available(target.name):
                exchange.total_s = remaining_s
                yield target


class _Course:
    """One call's way on, after its first attempt has failed."""

    def __init__(self, recovery: Recovery, exchange: Exchange, attempt: Attempt, failed: Failed) -> None:
        self._recovery = recovery
        self._exchange = exchange
        self._attempt = attempt
        self._target = target = failed.target
        self._deadline = deadline_of(exchange, target)
        self._tried = {target.name, *failed.spent}
        self._retries = 0
        self._needed_tokens = 0
        self._refused: NarthexError | None = None
        """Why the last one may not be asked who could have been."""

    async def follow(self, error: NarthexError) -> None:
        """Make further attempts; raises the error of the last one if none succeeds."""
        first, failure = error, cast("NarthexError | None", error)
        counters, way = self._recovery.counters, "first"
        while failure is not None:
            error = failure
            # Whoever leaves while nobody is asked has nothing on the bill.
            self._exchange.sent = False
            target = await self._next(error)
            begun = monotonic()
            if target is None or begun >= self._deadline:
                if rule_of(first).decision is not Decision.TRUTH:
                    counters.lost(failure_of(first))
                raise self._refused or error
            without_frames(error)
            way = "retry" if target is self._target else "fallback"
            self._retries = self._retries + 1 if way == "retry" else 0
            self._target = target
            self._tried.add(target.name)
            exchange = self._exchange
            exchange.target, exchange.dropped, exchange.total_s = target, (), self._deadline - begun
            failure = await self._recovery.try_once(exchange, self._attempt, target, begun)
            exchange.note_attempt(Tried.of(target, way, begun, failure))
        counters.rescued(failure_of(first), Way(way))

    async def _next(self, error: NarthexError) -> Target | None:
        """Return whom to ask now, after the pause that is due; None if nobody is left who could help."""
        remaining_s = self._deadline - monotonic()
        decision = decide(error, policy=self._recovery.policy, retries=self._retries, remaining_s=remaining_s)
        if decision is Decision.TRUTH or remaining_s <= 0:
            return None
        if decision is Decision.RETRY_HERE and await self._paused(error, remaining_s):
            self._refused = await self._recovery.refusal(self._exchange, self._target)
            if self._refused is None:
                return self._target
        return await self._allowed(too_long=decision is Decision.LARGER_WINDOW)

    async def _allowed(self, *, too_long: bool) -> Target | None:
        """Return the next target whose limits allow the call."""
        while (other := self._other(too_long=too_long)) is not None:
            self._refused = await self._recovery.refusal(self._exchange, other)
            if self._refused is None:
                break
            self._tried.add(other.name)
        return other

    async def _paused(self, error: NarthexError, remaining_s: float) -> bool:
        """Wait as long as is due before the same target is asked again; False if it is better left."""
        recovery = self._recovery
        pause_s = recovery.backoff.pause_s(
            self._retries, chance=recovery.chance, retry_after_s=error.retry_after_s, remaining_s=remaining_s
        )
        name = self._target.name
        if pause_s is None or not recovery.board.available(name):
            return False
        if not recovery.places.of(name).excuse() and not recovery.budget.take():
            return False
        await recovery.sleep(pause_s)
        return True

    def _other(self, *, too_long: bool) -> Target | None:
        """Return the next target that was not asked yet; if it was too long, by what is known of their windows."""
        others: Iterable[Target] = self._recovery.chain(self._exchange)
        if too_long:
            self._needed_tokens = max(self._needed_tokens, 1 + (_window(self._target) or 0))
        if self._needed_tokens > 1:
            others = larger(others, self._needed_tokens, _window)
        board = self._recovery.board
        free = (one for one in others if one.name not in self._tried and board.available(one.name))
        return next(free, None)


class _StreamWatch:
    """Reports of a target once it is known how its stream ends."""

    __slots__ = ("_duration_s", "_figures", "_gate", "_place", "_recovery", "_turn")

    def __init__(self, recovery: Recovery, gate: Gate, place: Permit, *, duration_s: float, turn: int) -> None:
        self._recovery = recovery
        self._gate = gate
        self._place = place
        self._turn = turn
        self._duration_s = duration_s
        self._figures = recovery.figures

    def broke(self, error: NarthexError) -> None:
        """Count the break against the target."""
        turn, self._turn = self._turn, 0
        self._end_figure()
        self._recovery.went_wrong(self._gate, error, turn, place=self._place)

    def settled(self, error: NarthexError | None) -> None:
        """Count the answer to its credit, unless it broke or nobody waited for its end."""
        self._end_figure()
        if error is None:
            self._place.succeeded()
        else:
            self._place.release()
        if not self._turn:
            return
        if error is None:
            self._recovery.went_well(self._gate, self._duration_s, self._turn)
        else:
            self._gate.abandoned(self._turn)

    def _end_figure(self) -> None:
        """Have the call in flight here no more; once, as others may be."""
        if self._figures is not None:
            self._figures.end(self._gate.name)
            self._figures = None


def deadline_of(exchange: Exchange, target: Target) -> float:
    """Return when the whole call must be over, in seconds of the monotonic clock.

    It is found once: later attempts have less time each.
    """
    if exchange.deadline is None:
        total_s = target.timeouts.total_s if exchange.total_s is None else exchange.total_s
        exchange.deadline = exchange.received_at + total_s
    return exchange.deadline


def _window(target: Target) -> int | None:
    """Return the context window of a target, in tokens; None if it is not known."""
    return target.facts.context_tokens if target.facts is not None else None


def left_alone(target: Target, gate: Gate, place: Permit | None = None) -> ProviderOverloaded:
    """Return the error of a call to a target that is left alone, by its own breaker or by its provider's.

    The place that the call has there is given back.
    """
    if place is not None:
        place.release()
    closed_by = gate.closed_by()
    reason, remedy = "failed repeatedly and is left alone for now", "try again later or configure `fallbacks` for it"
    if closed_by.state is BreakerState.FORCED_OPEN:
        reason, remedy = "was taken out of service", "`PUT /api/breakers` takes it back in"
    return ProviderOverloaded(
        f"{closed_by.name} {reason}; {remedy}",
        provider=target.provider.name,
        failure=Failure.OVERLOADED,
        retryable=True,
        retry_after_s=closed_by.report().next_probe_in_s,
    )
