"""Which fault is due in a request: by header, else by the model's name, else by the script given at start.

x-narthex-fault: stall seconds=2        the scenario and its fields, for this request
model fault-stall, fault-fail-503       the scenario, its fields behind it in their order
"fail 503 every=5"                      a line of the script: the scenario, its fields and its rhythm
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches

from narthex.testing.catalogue import PREFIX
from narthex.testing.occasions import Occasions
from narthex.testing.scenarios import SCENARIOS, BadDirective, Limits, Scenario, scenario_from_directive

FAULT_HEADER = "x-narthex-fault"
"""Names the fault of one request; `none` for none."""


class UnknownFault(ValueError):
    """No fault of that name, or not with these fields."""


def read_fault(text: str, named: Mapping[str, Scenario], *, with_occasion: bool = False) -> Scenario:
    """Read a fault as it is written on a command line or in a header: its name, then its fields.

    Args:
        text: Such as `stall`, `fail 503` or `stall seconds=2 after_chunks=1`.
        named: Faults with a name of their own, fields included.
        with_occasion: Whether `every`, `probability` and `times` may be given.

    Raises:
        UnknownFault: There is none such; the message tells what there is.
    """
    name, _, arguments = text.strip().partition(" ")
    name = name.replace("-", "_")
    if not arguments and name in named:
        return named[name]
    if name not in SCENARIOS:
        near = get_close_matches(name, [*named, *SCENARIOS], n=1)
        known = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(sorted({*named, *SCENARIOS}))}"
        raise UnknownFault(f"no fault {name!r}{known}")
    try:
        return scenario_from_directive(name, arguments, with_occasion=with_occasion)
    except BadDirective as error:
        raise UnknownFault(str(error)) from error


def fault_of_model(model: str, named: Mapping[str, Scenario]) -> Scenario | None:
    """Return the fault that a model's name asks for, such as `fault-slow-headers` or `fault-fail-503`.

    Raises:
        UnknownFault: It begins as one that asks for a fault, but there is none such.
    """
    name = model.rpartition("/")[2]
    if not name.startswith(PREFIX):
        return None
    asked = name.removeprefix(PREFIX)
    parts = re.split(r"[-_]", asked)
    for size in range(len(parts), 0, -1):
        fault = "_".join(parts[:size])
        if fault in SCENARIOS or (fault in named and size == len(parts)):
            return read_fault(" ".join([fault, *parts[size:]]), named)
    return read_fault(asked, named)


class Choice:
    """Chooses faults, and remembers what rhythms and limits need."""

    def __init__(
        self,
        named: Mapping[str, Scenario],
        script: tuple[Scenario, ...] = (),
        *,
        seed: int = 0,
        clock: Callable[[], float],
    ) -> None:
        """Begin without a memory.

        Args:
            named: Faults with a name of their own.
            script: Faults of all requests that ask for none; the first that is due is played.
            seed: Of the chances.
            clock: Seconds, for limits and for what comes and goes.
        """
        self._named = named
        self._seed = seed
        self._clock = clock
        self._script = Occasions(script, seed=seed, clock=clock)
        self._memories: dict[Scenario, Occasions] = {}

    def due(self, model: str, header: str | None) -> Scenario | None:
        """Return the fault that is due in this request; None if it is to be answered well.

        Raises:
            UnknownFault: The header or the model's name asks for one that there is not.
        """
        if header is not None:
            asked = None if header.strip() == "none" else read_fault(header, self._named, with_occasion=True)
        else:
            asked = fault_of_model(model, self._named)
            if asked is None:
                return next(iter(self._script.due()), None)
        return next(iter(self._memory(asked).due()), None) if asked is not None else None

    def limited_s(self, limits: Limits, tokens: int) -> float | None:
        """Charge a request of so many tokens; return how long to wait if that is over the limits."""
        return self._memory(limits).limited_s(limits, tokens)

    def forget(self, *faults: Scenario) -> None:
        """Begin the rhythms and limits of these faults anew, or of all; the script's go on."""
        for fault in faults or list(self._memories):
            self._memories.pop(fault, None)

    def _memory(self, scenario: Scenario) -> Occasions:
        return self._memories.setdefault(scenario, Occasions((scenario,), seed=self._seed, clock=self._clock))
