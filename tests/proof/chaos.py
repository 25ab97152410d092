"""Calls with a random fault each, made at once, and what must be left of them: nothing.

The calls are the same for the same seed. Each has a prompt, and so an answer, of its own: words that reach the wrong
caller are wrong words.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, cast

from narthex.testing import RunningGateway, Wall, running_gateway
from narthex.testing.callers import Heard, Question, ask
from narthex.testing.catalogue import Entry, Verdict
from narthex.testing.chance import random_for
from narthex.testing.scorecard import VERDICTS, Judgement, judge
from narthex.testing.trials import Gateway, truth_of
from narthex.testing.wall.asking import Wire
from narthex.testing.wall.setups import gateway_settings

UNIT_S: Final = 0.1
"""The unit of the wall's waits; the gateway's is four of them."""

AT_ONCE: Final = 64
DEADLINE_S: Final = 10.0
"""By when each call must have ended: far behind the four seconds that the gateway gives it."""

WIRES: Final[tuple[Wire, ...]] = ("openai", "anthropic")
REPLY: Final = "{prompt} Καλημέρα one two three four five six seven eight nine ten"

_SETTLE_S: Final = 20.0
_NEVER: Final = 1_000_000
_SHOWN_CHARACTERS: Final = 4_000
_HEALTHY_SHARE: Final = 0.15
_LEAVING_SHARE: Final = 0.05
_LONGEST_STAY_S: Final = 0.5
_LASTING: Final = frozenset({"endless_drip"})
"""Faults that take the time of a whole call, which leaves too few calls to a run."""

_COMPLAINTS: Final = ("Traceback", "Task was destroyed", "never retrieved", "ResourceWarning", "RuntimeWarning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that is made."""

    entry: Entry | None
    """The fault; None if it is to be answered well."""
    question: Question
    leaves_s: float | None
    """When the caller hangs up, if it does not wait for the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One call that was made."""

    call: Call
    heard: Heard
    judgement: Judgement

    @property
    def is_left(self) -> bool:
        """Whether the caller hung up before the end."""
        return self.call.leaves_s is not None and self.heard.ended == "hung"

    @property
    def is_honest(self) -> bool:
        """Whether the caller got a whole answer that is right, or was told that it did not."""
        return self.judgement.verdict != "failed" and self.heard.ended in ("whole", "refused", "error_event")

    @property
    def is_lost(self) -> bool:
        """Whether a right answer was possible, and another was given, or none."""
        entry = self.call.entry
        return not self.is_left and (entry is None or entry.best == "rescued") and self.judgement.verdict != "rescued"

    def __str__(self) -> str:
        """Tell what it was, and how it ended."""
        question, fault = self.call.question, self.call.entry.name if self.call.entry else "none"
        form = "streamed" if question.is_streamed else "whole"
        return f"{fault} {question.wire} {form}: {self.heard.ended}, {self.judgement.reason}"


@dataclass(frozen=True, slots=True)
class Result:
    """A whole run."""

    outcomes: tuple[Outcome, ...]
    seconds: float

    @property
    def totals(self) -> dict[Verdict, int]:
        """How many of the calls that were heard to their end ended with each verdict."""
        counts = Counter(outcome.judgement.verdict for outcome in self.outcomes if not outcome.is_left)
        return {verdict: counts[verdict] for verdict in VERDICTS}

    @property
    def lies(self) -> list[str]:
        """The calls that hung, or whose caller was deceived."""
        return [str(outcome) for outcome in self.outcomes if not (outcome.is_left or outcome.is_honest)]

    @property
    def lost(self) -> list[str]:
        """The calls that could have been rescued, and were not."""
        return [str(outcome) for outcome in self.outcomes if outcome.is_lost]

    @property
    def asked(self) -> set[str]:
        """The kinds of fault that were asked for where requests are taken."""
        entries = {outcome.call.entry for outcome in self.outcomes if not outcome.is_left}
        return {entry.scenario.fault for entry in entries if entry and not entry.door}

    def __str__(self) -> str:
        """Tell its figures."""
        parts = [f"{count} {verdict}" for verdict, count in self.totals.items()]
        left = sum(outcome.is_left for outcome in self.outcomes)
        return f"{', '.join(parts)}; {left} hung up; {len(self.lost)} lost; {self.seconds:.1f} s"


class House:
    """A gateway in a process of its own, before a wall."""

    def __init__(self, wall: Wall, gateway: RunningGateway) -> None:
        self.wall = wall
        self.gateway = gateway
        self._own_files = 0

    @property
    def gateway_on_trial(self) -> Gateway:
        """The gateway as a trial knows it."""
        return Gateway(url=self.gateway.url, deadline_s=DEADLINE_S)

    def status(self) -> dict[str, object]:
        """Return what the gateway says of itself."""
        return self._ask("/api/system/status")

    def places(self) -> dict[str, tuple[int, int]]:
        """Return the places that are taken, and who waits for one, by model."""
        limits = cast("list[Mapping[str, int | str]]", self._ask("/api/concurrency")["data"])
        taken = {str(one["name"]): (int(one["in_flight"]), int(one["waiting"])) for one in limits}
        return {name: counts for name, counts in taken.items() if any(counts)}

    def _ask(self, path: str) -> dict[str, object]:
        with urllib.request.urlopen(f"{self.gateway.url}{path}", timeout=DEADLINE_S) as response:
            return cast("dict[str, object]", json.loads(response.read()))

    def metric(self, name: str) -> float:
        """Return a metric of the gateway by its name with labels; 0 if there is none."""
        with urllib.request.urlopen(f"{self.gateway.url}/metrics", timeout=DEADLINE_S) as response:
            lines = response.read().decode().splitlines()
        return float(next((line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} ")), "0"))

    def memory_bytes(self) -> int:
        """Return the resident memory of the gateway."""
        return cast("int", self.status()["memory_bytes"])

    def settle(self) -> None:
        """Take what the gateway holds now, but for connections to the wall, as its own."""
        self._own_files = self._files() - self._connections()

    def left_over(self) -> dict[str, object]:
        """Wait until nothing of any call is left; return what still is."""
        ends_s = time.monotonic() + _SETTLE_S
        while (left := self.left()) and time.monotonic() < ends_s:
            time.sleep(0.05)
        return left

    def left(self) -> dict[str, object]:
        """Return what is left of calls: all of it by its name, and nothing if there is none."""
        visits = [visit for visit in self.wall.visits.all() if visit.ended_s is None]
        found: dict[str, object] = {
            "active requests": cast("Mapping[str, int]", self.status()["requests"])["active"],
            "places at models": self.places(),
            "answers that go on": visits,
            "more connections than calls": max(0, self._connections() - AT_ONCE),
            "open files": max(0, self._files() - self._connections() - self._own_files),
        }
        return {name: left for name, left in found.items() if left}

    def _connections(self) -> int:
        return self.wall.opened - self.wall.closed

    def _files(self) -> int:
        """Count the open files and sockets of the gateway, where the system tells; but for those of its database.

        That has a connection for each of its threads, which are opened when there is something to do.
        """
        folder = Path(f"/proc/{self.gateway.process.pid}/fd")
        return sum(not _is_of_the_database(one) for one in folder.iterdir()) if folder.exists() else 0

    def complaints(self) -> str:
        """Stop the gateway; return its log from the first thing on that it should not have had to tell."""
        self.gateway.stop()
        log = self.gateway.log()
        starts = [log.index(word) for word in _COMPLAINTS if word in log]
        return log[min(starts) :][:_SHOWN_CHARACTERS] if starts else ""


def _is_of_the_database(descriptor: Path) -> bool:
    try:
        name = str(descriptor.readlink())
    except FileNotFoundError:
        return True
    return "/main.db" in name or "/ledger/" in name


HEDGING: Final[Mapping[str, object]] = {
    "enabled": True,
    "percent": 100,
    "quantile": 50,
    "least_s": 0.01,
    "minimum_calls": 1,
}
"""Every second call is late, and asked of another model too."""


@contextmanager
def house(**more: object) -> Iterator[House]:
    """Run a gateway that tries again as it is delivered, goes on with broken streams, and meets every fault.

    Args:
        more: Further settings.
    """
    with Wall(unit_s=UNIT_S, reply=REPLY) as wall, running_gateway(_settings(wall) | more) as gateway:
        yield House(wall, gateway)


def _settings(wall: Wall) -> dict[str, object]:
    settings = gateway_settings(wall, unit_s=4 * UNIT_S, rescue="continue")
    del settings["retries"]
    # A breaker that opens, or a key that is set aside, would keep most of the faults from being met at all.
    providers = cast("dict[str, dict[str, object]]", settings["providers"])
    for provider in providers.values():
        del provider["api_key"]
    return settings | {"breakers": {"consecutive_failures": _NEVER, "minimum_calls": _NEVER}}


def drawn(wall: Wall, gateway: Gateway, count: int, seed: int) -> list[Call]:
    """Return calls with a fault each by chance, on both wires, whole and streamed."""
    entries = [entry for entry in wall.entries if entry.name not in _LASTING]
    return [_drawn(entries, gateway, seed, number) for number in range(count)]


def _drawn(entries: Sequence[Entry], gateway: Gateway, seed: int, number: int) -> Call:
    chance = random_for("chaos", seed, number)
    entry = None if chance.random() < _HEALTHY_SHARE else chance.choice(entries)
    wire = chance.choice(WIRES)
    form = chance.choice(entry.forms if entry else ("whole", "streamed"))
    offers_tool = entry.calls_a_tool if entry else chance.random() < _HEALTHY_SHARE
    question = Question(
        wire=wire,
        model=gateway.named(wire, entry),
        prompt=f"call-{number}-{chance.getrandbits(48):012x}",
        is_streamed=form == "streamed",
        offers_tool=offers_tool,
    )
    leaves_s = chance.uniform(0.0, _LONGEST_STAY_S) if chance.random() < _LEAVING_SHARE else None
    return Call(entry=entry, question=question, leaves_s=leaves_s)


async def run(gateway: Gateway, wall: Wall, calls: Sequence[Call]) -> Result:
    """Make all calls, so many at a time."""
    began_s = time.monotonic()
    waiting = iter(calls)

    async def caller() -> list[Outcome]:
        return [await _made(gateway, wall, call) for call in waiting]

    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(caller()) for _ in range(AT_ONCE)]
    return Result(tuple(chain.from_iterable(one.result() for one in callers)), time.monotonic() - began_s)


async def _made(gateway: Gateway, wall: Wall, call: Call) -> Outcome:
    deadline_s = gateway.deadline_s if call.leaves_s is None else call.leaves_s
    heard = await ask(gateway.url, call.question, deadline_s=deadline_s)
    return Outcome(call=call, heard=heard, judgement=judge(heard, truth_of(wall, call.question, call.entry)))
