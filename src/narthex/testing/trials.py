"""Runs the whole catalogue against a gateway: every fault, on both wires, whole and streamed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final, get_args

from narthex.testing.callers import TOOL, Heard, Question, ask
from narthex.testing.catalogue import HEALTHY, Entry, Form
from narthex.testing.chance import random_for
from narthex.testing.scorecard import ProviderView, Score, Scorecard, Truth, judge
from narthex.testing.wall.asking import Asked, Tool, Wire
from narthex.testing.wall.replies import Said, altered
from narthex.testing.wall.server import Wall
from narthex.testing.wall.setups import provider_name
from narthex.testing.wall.visits import Visit

_GRACE_S: Final = 1.0
_TOOL_SCHEMA: Final = {"type": "object", "properties": {"place": {"type": "string"}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The gateway on trial."""

    url: str
    key: str | None = None
    model: str = "{provider}/{model}"
    """How it names a provider's model."""
    deadline_s: float = 30.0
    """By when each call must have ended."""

    def named(self, wire: Wire, entry: Entry | None) -> str:
        """Return the name of the model that plays a fault on a wire; without one, of the model that is well."""
        model = HEALTHY if entry is None else entry.model
        door = None if entry is None else entry.door
        return self.model.format(provider=provider_name(wire, door), model=model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One call of the catalogue."""

    entry: Entry
    wire: Wire
    form: Form
    prompt: str


def cases(entry: Entry, wires: Iterable[Wire], seed: int) -> Iterator[Case]:
    """Yield the calls of a fault, each with a prompt of its own, by which the wall's visits are told apart."""
    for wire, form in product(wires, entry.forms):
        mark = random_for(seed, entry.name, wire, form).getrandbits(48)
        yield Case(entry=entry, wire=wire, form=form, prompt=f"case-{mark:012x}")


class Trial:
    """Holds one gateway against the catalogue of a wall that it is configured with."""

    def __init__(
        self,
        gateway: Gateway,
        wall: Wall,
        *,
        wires: tuple[Wire, ...] = get_args(Wire),
        at_once: int = 16,
        on_score: Callable[[Score], None] = lambda _: None,
    ) -> None:
        """Prepare.

        Args:
            gateway: The gateway.
            wall: Its provider.
            wires: Those that are tried.
            at_once: Calls at a time.
            on_score: Told of each call once it is judged.
        """
        self._gateway = gateway
        self._wall = wall
        self._wires = wires
        self._places = asyncio.Semaphore(at_once)
        self._on_score = on_score

    async def greet(self) -> list[tuple[Wire, Heard]]:
        """Ask the model that is well on each wire, and return what went wrong with that; nothing if all is set up."""
        wrong: list[tuple[Wire, Heard]] = []
        for wire in self._wires:
            prompt = f"greeting-{wire}"
            question = Question(wire=wire, model=self._gateway.named(wire, None), prompt=prompt)
            heard = await self._ask(question)
            if heard.ended != "whole" or heard.text != said_to(self._wall, question).text:
                wrong.append((wire, heard))
        return wrong

    async def run(self, names: Iterable[str] = ()) -> Scorecard:
        """Run the catalogue, or the faults of these names."""
        chosen = set(names)
        entries = [entry for entry in self._wall.entries if not chosen or entry.name in chosen]
        async with asyncio.TaskGroup() as group:
            lanes = [group.create_task(self._run(lane)) for entry in entries for lane in self._lanes(entry)]
        return Scorecard(tuple(score for lane in lanes for score in lane.result()))

    def _lanes(self, entry: Entry) -> list[list[Case]]:
        """Return the calls of a fault: those of one list run one after the other, lists beside each other."""
        every = list(cases(entry, self._wires, self._wall.seed))
        return [every] if entry.has_memory or entry.door else [[case] for case in every]

    async def _run(self, lane: list[Case]) -> list[Score]:
        scores: list[Score] = []
        for case in lane:
            async with self._places:
                scores.append(await self._call(case))
            self._on_score(scores[-1])
        return scores

    async def _call(self, case: Case) -> Score:
        if case.entry.has_memory:
            self._wall.choice.forget(case.entry.scenario)
        knocks = self._knocks(case.entry)
        for number in range(case.entry.warm_up):
            await self._ask(self._question(case, f"warm-up-{number}"))
        question = self._question(case, case.prompt)
        since = self._wall.visits.count
        heard = await self._ask(question)
        visits = await self._visits(case, since)
        view = _view(case, visits, None if knocks is None else (self._knocks(case.entry) or 0) - knocks)
        judgement = judge(heard, truth_of(self._wall, question, case.entry))
        return Score(
            name=case.entry.name,
            wire=case.wire,
            form=case.form,
            heard=heard,
            provider=view,
            judgement=judgement,
            best=case.entry.best,
        )

    def _question(self, case: Case, prompt: str) -> Question:
        return Question(
            wire=case.wire,
            model=self._gateway.named(case.wire, case.entry),
            prompt=prompt,
            is_streamed=case.form == "streamed",
            offers_tool=case.entry.calls_a_tool,
        )

    async def _ask(self, question: Question) -> Heard:
        gateway = self._gateway
        return await ask(gateway.url, question, key=gateway.key, deadline_s=gateway.deadline_s)

    def _knocks(self, entry: Entry) -> int | None:
        return self._wall.doors.knocks.get(entry.door) if entry.door else None

    async def _visits(self, case: Case, since: int) -> list[Visit]:
        """Return what the wall saw of a call, once it has noticed that the call is over."""
        visits = self._wall.visits

        def is_over() -> bool:
            return all(visit.ended_s is not None for visit in visits.of(case.prompt, since))

        await asyncio.to_thread(visits.wait_for, is_over, _GRACE_S)
        return visits.of(case.prompt, since)


def _view(case: Case, visits: list[Visit], knocks: int | None) -> ProviderView:
    own = sum(visit.model == case.entry.model for visit in visits)
    return ProviderView(
        attempts=knocks if case.entry.door else own,
        rescues=len(visits) - own,
        abandoned=sum(visit.is_left for visit in visits),
        lingering=sum(visit.ended_s is None for visit in visits),
        sent_bytes=sum(visit.sent_bytes for visit in visits),
    )


def truth_of(wall: Wall, question: Question, entry: Entry | None) -> Truth:
    """Return what may be told to a question that plays a fault; without one, to one that is answered well."""
    said = said_to(wall, question)
    if entry is None:
        return Truth(right=(told(said),), said=told(said))
    spoiled = altered(said, entry.scenario, is_streamed=question.is_streamed)
    # A cut answer has another finish, and is no truth of its own.
    said_all = told(spoiled if spoiled.finish == said.finish else said)
    # What is odd and can be told as a success is the whole answer, however long.
    right = (told(said), said_all) if entry.best == "rescued" else (told(said),)
    return Truth(right=right, said=said_all)


def said_to(wall: Wall, question: Question) -> Said:
    """Return what a wall says to a question where it answers well."""
    tools = (Tool(name=TOOL, schema=_TOOL_SCHEMA),) if question.offers_tool else ()
    return wall.said(
        Asked(
            wire=question.wire,
            model=question.model,
            is_streamed=question.is_streamed,
            wants_usage=False,
            prompt=question.prompt,
            opening=question.prompt,
            begun="",
            tools=tools,
        )
    )


def told(said: Said) -> str:
    """Return what is said as a caller hears it."""
    call = f"{said.call.name}({''.join(said.call.arguments)})" if said.call is not None else ""
    return said.text + call
