"""The traffic, and how long each run takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

Traffic = Literal["json", "sse", "paced"]
"""Whole answers; streams as fast as they come; streams with a pause between two events."""

GAP_MS = 10
STREAM_EVENTS = 52
"""Of a stream: fifty with text, one with the usage, and [DONE]."""
PACED_STREAM_S = (STREAM_EVENTS - 1) * GAP_MS / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One kind of traffic at one number of connections."""

    name: str
    traffic: Traffic
    connections: int

    @property
    def least_window_s(self) -> float:
        """The shortest window that holds enough answers to be worth measuring."""
        return 2 * PACED_STREAM_S if self.traffic == "paced" else 0

    @property
    def ramp_s(self) -> float:
        """The time over which the first requests are spread, so that paced streams do not run in step."""
        return PACED_STREAM_S if self.traffic == "paced" else 0


CONNECTIONS: dict[Traffic, tuple[int, ...]] = {"json": (1, 16, 64, 256), "sse": (1, 16, 64), "paced": (64,)}
SCENARIOS = tuple(
    Scenario(name=f"{traffic}-{connections}", traffic=traffic, connections=connections)
    for traffic, counts in CONNECTIONS.items()
    for connections in counts
)


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

    def seconds(self, targets: int) -> float:
        """Return about how long a run takes, when no gateway is slow."""
        each = sum(self.window_of(scenario) + self.warmup_of(scenario) + 0.15 for scenario in SCENARIOS)
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
        "user": f"bench-gap-{GAP_MS}" if traffic == "paced" else "bench-user-1",
    }
    if traffic != "json":
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(request, separators=(",", ":")).encode()
