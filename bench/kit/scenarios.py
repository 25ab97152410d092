"""The traffic, and how long each run takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Traffic = Literal["json", "sse", "long", "paced", "spoken"]
"""Whole answers; short and long streams as fast as they come; streams with a pause between two events, short, or as
when read out."""

GAP_MS = 10
SPOKEN_GAP_MS = 50
"""Twenty events a second."""
STREAM_EVENTS = 52
"""Of a stream: fifty with text, one with the usage, and [DONE]."""
LONG_ROUNDS = 10
"""How often a long stream has what a short one has."""
_SHORT = STREAM_EVENTS - 2
TEXTS: dict[Traffic, int] = {"json": 0, "sse": _SHORT, "long": _SHORT * LONG_ROUNDS, "paced": _SHORT, "spoken": _SHORT}
"""Events with text of a stream."""
PACED_STREAM_S = (STREAM_EVENTS - 1) * GAP_MS / 1000
SPOKEN_STREAM_S = (STREAM_EVENTS - 1) * SPOKEN_GAP_MS / 1000
_STREAM_S: dict[Traffic, float] = {"paced": PACED_STREAM_S, "spoken": SPOKEN_STREAM_S}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One kind of traffic at one number of connections."""

    name: str
    traffic: Traffic
    connections: int

    @property
    def least_window_s(self) -> float:
        """The shortest window that holds enough answers to be worth measuring."""
        return 2 * _STREAM_S.get(self.traffic, 0)

    @property
    def ramp_s(self) -> float:
        """The time over which the first requests are spread, so that paced streams do not run in step."""
        return _STREAM_S.get(self.traffic, 0)


def scenarios_of(connections: Mapping[Traffic, Sequence[int]]) -> tuple[Scenario, ...]:
    """Return each kind of traffic at each number of connections."""
    return tuple(
        Scenario(name=f"{traffic}-{count}", traffic=traffic, connections=count)
        for traffic, counts in connections.items()
        for count in counts
    )


SCENARIOS = scenarios_of({"json": (1, 16, 64, 256), "sse": (1, 16, 64), "long": (16,), "paced": (64,)})
STREAMS = scenarios_of({"spoken": (200, 1_000)})
"""What `python -m bench.streams` measures."""
_USERS: dict[Traffic, str] = {
    "paced": f"bench-gap-{GAP_MS}",
    "spoken": f"bench-gap-{SPOKEN_GAP_MS}",
    "long": f"bench-rounds-{LONG_ROUNDS}",
}
"""What steers the provider; see `mock.c`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long a run takes."""

    rounds: int
    window_s: float
    warmup_s: float
    grace_s: float
    """For answers under way when the window closes."""
    starts: int
    """Starts of each gateway that starts quickly."""
    patience_s: float
    """For waiting, in all, until other work on the machine pauses."""

    def window_of(self, scenario: Scenario) -> float:
        """Return the length of a window, in seconds."""
        return max(self.window_s, scenario.least_window_s)

    def warmup_of(self, scenario: Scenario) -> float:
        """Return the time before a window opens, in seconds."""
        return max(self.warmup_s, scenario.ramp_s)

    def seconds(self, targets: int, scenarios: Sequence[Scenario] = SCENARIOS) -> float:
        """Return about how long a run takes, when no gateway is slow."""
        each = sum(self.window_of(scenario) + self.warmup_of(scenario) + 0.15 for scenario in scenarios)
        return targets * (self.rounds * each + 2 * self.starts) + self.patience_s


FULL = Plan(rounds=5, window_s=2.0, warmup_s=0.4, grace_s=3.0, starts=5, patience_s=60.0)
QUICK = Plan(rounds=2, window_s=0.5, warmup_s=0.15, grace_s=2.0, starts=2, patience_s=0.0)

_CONVERSATION = (
    ("system", "You are the porter of a great house. You know every room, and you answer in short, plain sentences."),
    ("user", "Which way to the library, and what will I find there that is not in the reading room downstairs?"),
    ("assistant", "Up the stairs and left. It holds the maps, the letters and everything older than the house."),
    ("user", "Then tell me in three sentences how the letters are ordered, and who may ask to see the oldest of them."),
)


def body(traffic: Traffic, *, model: str) -> bytes:
    """Return a request of about 0.6 KB, written as the official SDKs write: four messages and the usual tuning."""
    request: dict[str, object] = {
        "model": model,
        "messages": [{"role": role, "content": content} for role, content in _CONVERSATION],
        "temperature": 0.7,
        "max_tokens": 256,
        "user": _USERS.get(traffic, "bench-user-1"),
    }
    if traffic != "json":
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(request, separators=(",", ":")).encode()
