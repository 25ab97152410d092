"""The wall itself: one address for both wires, and doors beside it that fail before any request."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from narthex.testing.acts import Answer, Reset, whole
from narthex.testing.catalogue import HEALTHY, catalogue
from narthex.testing.chance import random_for
from narthex.testing.scenarios import Limits, Scenario, StaleConnection
from narthex.testing.upstream import HealthyProvider, ReceivedRequest, ScriptedUpstream
from narthex.testing.wall.asking import Asked, NotUnderstood, read, wire_of
from narthex.testing.wall.choice import FAULT_HEADER, Choice, UnknownFault
from narthex.testing.wall.doors import Doors
from narthex.testing.wall.plays import Pace, limited, paced, play
from narthex.testing.wall.refusals import Refusal, refused
from narthex.testing.wall.replies import Said, pseudo_text, reply_to
from narthex.testing.wall.visits import Visit, Visits, described
from narthex.testing.wires import as_json

VISITS_PATH: Final = "/wall/visits"
"""Where the wall tells what it saw: GET for the visits, DELETE to forget them."""


class Wall(ScriptedUpstream):
    """A provider that misbehaves on demand.

    What it answers is the same for the same seed and request, to the byte.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        reply: str | None = None,
        script: tuple[Scenario, ...] = (),
        pace: Pace | None = None,
        unit_s: float = 1.0,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare, without listening yet.

        Args:
            seed: Of words, chances and jitter.
            reply: What it answers where it answers well, with `{prompt}` for the prompt; by default words of no
                meaning.
            script: Faults of all requests that do not ask for one themselves; the first that is due is played.
            pace: How fast it writes; by default as fast as it can.
            unit_s: What the waits of the catalogue are measured in, in seconds.
            host: Address to bind.
            port: Port to bind, the doors on those behind it; 0 takes free ones.
            clock: Seconds, for limits and for what comes and goes.
        """
        self.entries = catalogue(unit_s)
        self._named: Mapping[str, Scenario] = {entry.name: entry.scenario for entry in self.entries}
        models = (HEALTHY, *(entry.model for entry in self.entries))
        super().__init__(self._respond, models=models, host=host, port=port)
        self.seed = seed
        self.reply = reply
        self.doors = Doors(host, port + 1 if port else 0)
        self.visits = Visits(clock)
        self.choice = Choice(self._named, script, seed=seed, clock=clock)
        self._pace = pace or Pace()
        self._others = HealthyProvider(reply or pseudo_text(seed), models)
        self._open: dict[int, Visit] = {}

    def start(self) -> None:
        """Listen, and open the doors.

        Raises:
            OSError: A port is taken, or the address is not one of this machine.
            TimeoutError: A thread did not come up.
        """
        super().start()
        try:
            self.doors.start()
        except BaseException:
            super().stop()
            raise

    def stop(self) -> None:
        """Break all connections off and stop listening."""
        super().stop()
        self.doors.stop()

    def answer_to(self, request: ReceivedRequest) -> Answer:
        """Return what is done about a request; unlike its parent, the wall keeps no bodies."""
        return self.responder(request)

    def answered(self, request: ReceivedRequest, *, sent_bytes: int, is_left: bool) -> None:
        """Note how an answer ended."""
        visit = self._open.pop(id(request), None)
        if visit is not None:
            self.visits.end(visit, sent_bytes=sent_bytes, is_left=is_left)

    def said(self, asked: Asked) -> Said:
        """Return what a healthy model answers."""
        return reply_to(asked, seed=self.seed, template=self.reply)

    def _respond(self, request: ReceivedRequest) -> Answer:
        if request.path == VISITS_PATH:
            return self._tell(request)
        wire = wire_of(request)
        if wire is None:
            return self._others(request)
        try:
            asked = read(request, wire)
        except NotUnderstood as error:
            return refused(Refusal(status=400, message=str(error)), wire)
        return self._answer(request, asked)

    def _answer(self, request: ReceivedRequest, asked: Asked) -> Answer:
        try:
            scenario = self.choice.due(asked.model, request.headers.get(FAULT_HEADER))
        except UnknownFault as error:
            self._note(request, asked, fault="unknown")
            return refused(Refusal(status=404, message=str(error), code="model_not_found"), asked.wire)
        is_kept = isinstance(scenario, StaleConnection) and self.visits.has_connection(request.connection)
        visit = self._note(request, asked, fault=scenario.fault if scenario else None)
        match scenario:
            case Limits():
                return self._limited(asked, scenario)
            case StaleConnection() if is_kept:
                return (Reset(),)
            case _:
                chance = random_for(self.seed, "pace", asked.prompt, visit.fault)
                return paced(play(asked, self.said(asked), scenario), self._pace, chance)

    def _limited(self, asked: Asked, limits: Limits) -> Answer:
        said = self.said(asked)
        retry_after_s = self.choice.limited_s(limits, said.input_tokens)
        return play(asked, said, None) if retry_after_s is None else limited(asked, max(0.001, retry_after_s))

    def _note(self, request: ReceivedRequest, asked: Asked, *, fault: str | None) -> Visit:
        visit = Visit(
            number=0,
            connection=request.connection,
            came_s=self.visits.now_s(),
            wire=asked.wire,
            target=request.target,
            model=asked.model,
            is_streamed=asked.is_streamed,
            prompt=asked.opening,
            is_continued=bool(asked.begun),
            fault=fault,
        )
        self._open[id(request)] = visit
        return self.visits.come(visit)

    def _tell(self, request: ReceivedRequest) -> Answer:
        if request.method == "DELETE":
            self.visits.clear()
            self.choice.forget()
        return whole(as_json({"object": "list", "data": [described(visit) for visit in self.visits.all()]}))
