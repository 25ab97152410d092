"""The limit and its line against a plain list of who waits, over arbitrary sequences of calls."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from narthex.errors import Overloaded
from narthex.resilience.concurrency import Permit
from narthex.resilience.queueing import PATIENT
from tests.resilience.test_concurrency import fixed, limited, settled


@dataclass
class Caller:
    """A call of the model."""

    task: asyncio.Task[Permit]
    priority: int
    deadline_s: float
    order: int


class AgainstModel(RuleBasedStateMachine):
    """Two places and a line of three, beside a plain list of who waits."""

    PLACES, QUEUE = 2, 3

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.limit, self.clock = limited(fixed(self.PLACES, self.QUEUE))
        self.inside: list[Caller] = []
        self.line: list[Caller] = []
        self.order = self.served = 0

    def teardown(self) -> None:
        """End everything, and find that nothing is left."""
        for caller in self.line:
            caller.task.cancel()
        self._settle()
        for caller in self.inside:
            caller.task.result().release()
        report = self.limit.report()
        assert (report.in_flight, report.waiting) == (0, 0)
        self.runner.close()

    def _settle(self) -> None:
        self.runner.run(settled())

    def _serve(self) -> None:
        while self.line and len(self.inside) < self.PLACES:
            first = self._first(self.line)
            self.line.remove(first)
            if first.deadline_s > self.clock():
                self.inside.append(first)
                self.served += 1
            else:
                self._was_shed(first)

    def _first(self, line: list[Caller]) -> Caller:
        """Whose turn it is: the most urgent's, and now and then that of who came first."""
        return min(line, key=lambda one: one.order) if self.served % PATIENT == PATIENT - 1 else line[0]

    def _was_shed(self, caller: Caller) -> None:
        self._settle()
        assert isinstance(caller.task.exception(), Overloaded)

    @rule(priority=st.integers(-1, 1), patience_s=st.sampled_from([1000.0, 3000.0, math.inf]))
    def arrive(self, priority: int, patience_s: float) -> None:
        """Ask for a place."""
        deadline_s = self.clock() + patience_s
        task = self.runner.get_loop().create_task(self.limit.acquire(priority, deadline_s))
        self._settle()
        self.order += 1
        caller = Caller(task=task, priority=priority, deadline_s=deadline_s, order=self.order)
        if len(self.inside) < self.PLACES:
            self.inside.append(caller)
            return
        self.line = sorted([*self.line, caller], key=lambda one: (-one.priority, one.order))
        if len(self.line) > self.QUEUE:
            self._was_shed(self.line.pop())

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """Give a place back."""
        self.inside.pop(data.draw(st.integers(0, len(self.inside) - 1))).task.result().release()
        self._serve()

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Leave the line."""
        caller = self.line.pop(data.draw(st.integers(0, len(self.line) - 1)))
        caller.task.cancel()

    @precondition(lambda self: self.inside and self.line)
    @rule()
    def cancel_the_next_as_it_is_served(self) -> None:
        """Give a place back, and cancel whoever gets it before it can know."""
        in_time = [one for one in self.line if one.deadline_s > self.clock()]
        next_one = self._first(in_time) if in_time else None
        self.inside.pop().task.result().release()
        if next_one is not None:
            next_one.task.cancel()
        self._serve()
        if next_one is not None and next_one in self.inside:
            self.inside.remove(next_one)
            self._settle()
            self._serve()

    @rule(seconds=st.sampled_from([1.0, 999.0, 2500.0]))
    def time_passes(self, seconds: float) -> None:
        """Go on."""
        self.clock.set(self.clock() + seconds)

    @invariant()
    def agrees(self) -> None:
        """Those whom the model serves have their place, and nobody else has."""
        self._settle()
        report = self.limit.report()
        assert (report.in_flight, report.waiting) == (len(self.inside), len(self.line))
        assert all(isinstance(caller.task.result(), Permit) for caller in self.inside)
        assert not any(caller.task.done() for caller in self.line)


TestAgainstModel = AgainstModel.TestCase
