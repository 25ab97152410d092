"""Limits that several processes share: what one reserves on the server, no other can.

Whoever cannot ask goes by the policy: budgets refuse (`closed`), and other limits are counted by this process alone
meanwhile (`open`), or the other way round.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal

import msgspec

from narthex.errors import LimitExceeded, LimitsUnreachable
from narthex.ledger.limits.counters import Gauge
from narthex.ledger.limits.courier import Courier
from narthex.ledger.limits.further import FurtherReservation, Used, Wants
from narthex.ledger.limits.headers import Headers, Words, headers_of
from narthex.ledger.limits.matching import Matching, Tags, Use
from narthex.ledger.limits.meters import Meters, Reservation
from narthex.ledger.limits.redis_table import Meter, Taken, Told, meter_of, read_told
from narthex.ledger.limits.refusals import refusal
from narthex.ledger.limits.spans import span
from narthex.ledger.limits.uses import NOTHING, Amounts, LimitUsage, Passed, Spent, place_of
from narthex.stores.link import LinkSettings
from narthex.types.accounts import Account
from narthex.types.limits import LEVEL_MEASURES, Limit, Period
from narthex.types.stocks import no_room

_MAX_KINDS: Final = 50_000
_AGAIN_S: Final = 0.01
"""When it is asked again what is just being read from the ledger."""
_ROWS: Final = 200
"""Rows of the ledger that are told in one stroke."""

WhenAway = Literal["open", "closed"]
_Found = tuple[tuple[Meter, int], ...]
"""The meters of a call, each with the place of what it counts."""
_Wants = tuple[tuple[Meter, int], ...]
"""Meters, and how much is wanted of each."""


class SharedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What holds while the server is away, and of processes that are gone."""

    money: WhenAway = "closed"
    """What becomes of calls with a budget."""
    rates: WhenAway = "open"
    """What becomes of calls with another limit."""
    hold_s: float = 120.0
    """When a reservation lapses of whose process nothing was heard any more."""


class SharedReservation(msgspec.Struct):
    """What one call holds on the server, until settled or released; only the first word counts."""

    _courier: Courier | None
    _name: str
    _taken: tuple[Taken, ...]
    _stands: tuple[Gauge, ...]

    def settle(self, input_tokens: int, output_tokens: int, picousd: int) -> None:
        """Charge what was used in the place of what was reserved, however much it is."""
        self._end((1, input_tokens, output_tokens, input_tokens + output_tokens, picousd, 0))

    def release(self) -> None:
        """Give everything back: nothing was used."""
        self._end(NOTHING)

    def holds(self) -> Iterator[tuple[Limit, str, int]]:
        """See `narthex.ledger.limits.further.Held`."""
        for taken in self._taken:
            yield taken.meter.limit, taken.meter.value, taken.held

    def settle_each(self, used: Used) -> None:
        """See `narthex.ledger.limits.further.Held`."""
        courier, self._courier = self._courier, None
        if courier is not None:
            taken = self._taken
            courier.tell(self._name, [(one, used(one.meter.limit, one.meter.value)) for one in taken])

    @property
    def has_budget(self) -> bool:
        """Whether a limit that refuses by what is spent concerns the call."""
        return any(taken.meter.limit.hard and taken.meter.limit.is_money for taken in self._taken)

    def headers(self, words: Words) -> Headers:
        """Return what the caller is told of how those limits stood when the call began, itself counted."""
        stands = [
            (taken.meter.limit, msgspec.structs.replace(gauge, reserved=gauge.reserved + taken.held))
            for taken, gauge in zip(self._taken, self._stands, strict=True)
        ]
        return headers_of(stands, words, time.time())

    def _end(self, used: Amounts) -> None:
        courier = self._courier
        if courier is not None:
            self._courier = None
            courier.tell(self._name, [(taken, used[place_of(taken.meter.limit)]) for taken in self._taken])


class SharedHold:
    """What is there of something, on the server, until released; only the first word counts."""

    __slots__ = ("_courier", "_name", "_taken")

    def __init__(self, courier: Courier, name: str, taken: tuple[Taken, ...]) -> None:
        self._courier: Courier | None = courier
        self._name = name
        self._taken = taken

    def release(self) -> None:
        """Count it no more."""
        courier, self._courier = self._courier, None
        if courier is not None:
            courier.tell(self._name, [(taken, 0) for taken in self._taken])


class SharedMeters:
    """What everybody has used of the limits in force, in all processes."""

    def __init__(self, settings: LinkSettings, meters: Meters, policy: SharedPolicy | None = None) -> None:
        """Prepare; nothing is opened before `run`.

        Args:
            settings: Where the server is.
            meters: Where this process counts for itself while the server is away; they know the limits in force.
            policy: What holds meanwhile.

        Attributes:
            on_passed: As of `Meters`.
            on_unknown: Called with a limit whose use is to be read from the ledger, and given to `restored`.
        """
        self.on_passed: Callable[[Passed], None] | None = None
        self.on_unknown: Callable[[Limit, str | None], None] | None = None
        self._policy = policy or SharedPolicy()
        self._meters = meters
        self._timeout_s = settings.timeout_s
        self.courier = Courier(settings, self._policy.hold_s)
        self.courier.on_joined = self.adopted
        self.courier.on_seen = self._saw
        self.courier.on_unread = self._unread
        self._kinds: dict[Use, _Found] = {}
        self._kinds_of: Matching | None = None
        self._told: dict[tuple[str, float], int] = {}

    def adopt(self, policy: SharedPolicy) -> None:
        """Go by another policy from now on."""
        self._policy = policy
        self.courier.hold_s = policy.hold_s

    # -- calls -----------------------------------------------------------------------------------------------------

    async def reserve(
        self,
        account: Account,
        *,
        model: str = "",
        model_asked: str = "",
        end_user: str = "",
        tags: Tags = (),
        input_tokens: int = 0,
        output_tokens: int = 0,
        picousd: int = 0,
    ) -> SharedReservation | Reservation | None:
        """Hold what a call is likely to use; None where no limit concerns it.

        Raises:
            LimitExceeded: A hard limit does not allow it.
            LimitsUnreachable: The server is away, and a limit of the call is not to be passed meanwhile.
        """
        use = Use(account, model, model_asked, end_user, tags)
        found = self._concerned(use)
        if not found:
            return None
        needs = (1, input_tokens, output_tokens, input_tokens + output_tokens, picousd, 1)
        held = await self._held(tuple((meter, needs[place]) for meter, place in found))
        if held is not None:
            return held
        return self._meters.reserve(
            account,
            model=model,
            model_asked=model_asked,
            end_user=end_user,
            tags=tags,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            picousd=picousd,
        )

    async def reserve_further(self, wants: Wants) -> SharedReservation | FurtherReservation:
        """Do what `Meters.reserve_further` does; in this process while the server is away.

        Raises:
            LimitExceeded: A hard limit does not allow it.
            LimitsUnreachable: The server is away, and one of the limits is not to be passed meanwhile.
        """
        held = await self._held(tuple((meter_of(limit, value), need) for limit, value, need in wants))
        return self._meters.reserve_further(wants) if held is None else held

    async def _held(self, wants: _Wants) -> SharedReservation | None:
        """Hold so much on the server; None where it is away and may be passed meanwhile."""
        said = await self._ask(wants)
        if said is None:
            self._refuse_if_closed(wants)
            return None
        name, told = said
        if told.answer != "taken":
            raise _refused(wants, told)
        stands = tuple(zip(wants, told.stands, strict=True))
        taken = tuple(Taken(meter, stand.slot, need) for (meter, need), stand in stands)
        return SharedReservation(self.courier, name, taken, tuple(stand.gauge for _, stand in stands))

    async def hold(self, limits: Iterable[tuple[Limit, str]], amount: int) -> SharedHold | None:
        """Hold room for something under limits of what is there, each with whose it is; None if the server is away.

        Raises:
            LimitExceeded: There is no room for it.
            LimitsUnreachable: The server is away, and a limit is not to be passed meanwhile.
        """
        found = tuple((meter_of(limit, whose), amount) for limit, whose in limits)
        said = await self._ask(found)
        if said is None:
            self._refuse_if_closed(found)
            return None
        name, told = said
        stands = tuple(zip(found, told.stands, strict=True))
        if told.answer == "taken":
            day = span(Period.DAY, told.wall)[0]
            for (meter, _), one in stands:
                self._used(meter, one.gauge.used + one.gauge.reserved + amount, day)
            return SharedHold(self.courier, name, tuple(Taken(meter, one.slot, amount) for (meter, _), one in stands))
        meter, one = next((meter, one) for (meter, _), one in stands if meter.limit.hard and not one.fits)
        raise no_room(meter.limit, meter.value, used=one.gauge.used + one.gauge.reserved, need=amount)

    def charge(self, used: Wants) -> None:
        """Do what `Meters.charge` does; in this process while the server is away."""
        if self.courier.table is None:
            self._meters.charge(used)
        elif used:
            self.courier.charge(tuple((meter_of(limit, value), amount) for limit, value, amount in used))

    def correct(self, limit: Limit, value: str, amount: int, *, name: str) -> None:
        """Count what a limit's use was corrected by; it may be below zero, and of one name counts once."""
        meter = meter_of(limit, value)
        self.courier.charge(((meter, amount),), name=f"{name}:{meter.key}")

    async def _ask(self, wants: _Wants) -> tuple[str, Told] | None:
        """Return what the server says once it knows what was used before; None where it cannot be asked in time."""
        timeout_s, now = self._timeout_s, asyncio.get_running_loop().time
        until_s = now() + timeout_s
        await self.courier.ready(timeout_s)
        while True:
            said = await self.courier.ask(wants)
            if said is None or said[1].answer != "unknown":
                return said
            if now() >= until_s:
                return None
            for meter, _ in wants:
                self.courier.read_again(meter)
            await asyncio.sleep(_AGAIN_S)

    def _refuse_if_closed(self, wants: _Wants) -> None:
        for meter, _ in wants:
            limit = meter.limit
            rule = self._policy.money if limit.is_money else self._policy.rates
            if limit.hard and rule == "closed":
                message = f"limit {limit.id} is shared by several processes, and Redis cannot be asked how it stands"
                raise LimitsUnreachable(f"{message}; try again in a moment", retry_after_s=1.0)

    def _concerned(self, use: Use) -> _Found:
        """Return the limits that concern a call, each with the place of what it counts."""
        matching = self._meters.matching
        if not matching.limits:
            return ()
        if matching is not self._kinds_of or len(self._kinds) >= _MAX_KINDS:
            self._kinds_of = matching
            self._kinds.clear()
        found = self._kinds.get(use)
        if found is None:
            found = tuple((meter_of(limit, value), place_of(limit)) for limit, value in matching.of(use))
            self._kinds[use] = found
        return found

    # -- what was used before --------------------------------------------------------------------------------------

    def adopted(self) -> None:
        """Have the use of limits read from the ledger that the server does not know; after a change of limits."""
        for limit in self._meters.matching.limits:
            self.courier.read_again(meter_of(limit, ""))

    async def restored(self, limit: Limit, rows: Iterable[Spent]) -> None:
        """Tell the server what the ledger has of a limit.

        Raises:
            LimitsUnreachable: It cannot be told.
        """
        table = self.courier.table
        if table is None:
            raise LimitsUnreachable
        told: list[tuple[Meter, int, int]] = []
        for spent in rows:
            meter = meter_of(limit, spent.value)
            width_ms = float(meter.shape[0]) if meter.kind == "r" else 1.0
            told.append((meter, spent.used, int(spent.at * 1_000 // width_ms)))
        for at in range(0, len(told), _ROWS):
            await table.restore("", told[at : at + _ROWS])
        await table.restore(meter_of(limit, "").shape[2], ())

    def _unread(self, meter: Meter) -> bool:
        if self.on_unknown is None:
            return False
        self.on_unknown(meter.limit, None)
        return True

    # -- what is told ----------------------------------------------------------------------------------------------

    async def usage(self) -> list[LimitUsage]:
        """Return how the limits stand, as the server has it; of each separately, those whom this process knows."""
        table = self.courier.table
        if table is None:
            return list(self._meters.usage())
        known = {(one.limit.id, one.value): meter_of(one.limit, one.value) for one in self._meters.usage()}
        known |= {(meter.limit.id, meter.value): meter for found in self._kinds.values() for meter, _ in found}
        pipe = table.pipeline()
        for meter in known.values():
            table.look(pipe, meter)
        answers = await pipe.execute() if known else []
        return [
            LimitUsage(limit=meter.limit, value=meter.value, gauge=read_told(raw).stands[0].gauge)
            for meter, raw in zip(known.values(), answers, strict=True)
        ]

    def _saw(self, meter: Meter, told: Told) -> None:
        """Tell which thresholds were passed since it was looked last in this period."""
        if meter.limit.measure not in LEVEL_MEASURES:
            self._used(meter, told.stands[0].gauge.used, span(meter.limit.period, told.wall)[0])

    def _used(self, meter: Meter, used: int, start: float) -> None:
        before = self._told.get((meter.key, start), 0)
        if used <= before:
            return
        if len(self._told) >= _MAX_KINDS:
            self._told.clear()
        self._told[meter.key, start] = used
        for at, percent in meter.limit.thresholds:
            if before < at <= used and self.on_passed is not None:
                passed = Passed(limit=meter.limit, value=meter.value, percent=percent, used=used, period_start=start)
                self.on_passed(passed)


def _refused(wants: _Wants, told: Told) -> LimitExceeded:
    """Return the error of the limit that is to be waited for longest."""
    refusing = [
        (math.inf if stand.wait_s is None else stand.wait_s, index)
        for index, ((meter, _), stand) in enumerate(zip(wants, told.stands, strict=True))
        if meter.limit.hard and not stand.fits
    ]
    index = max(refusing)[1]
    (meter, need), stand = wants[index], told.stands[index]
    return refusal(meter.limit, meter.value, stand.gauge, need, wait_s=stand.wait_s, wall=told.wall)
