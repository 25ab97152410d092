"""What was measured, as values and as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One target under one scenario in one round."""

    target: str
    scenario: str
    round: int
    per_second: float
    """Right answers in the window, per second."""
    answers_total: int
    events_total: int
    latency_us: dict[str, float]
    """From the request to the end of its answer: p50, p95, p99, max."""
    first_us: dict[str, float]
    """From the request to the first byte of the answer's body."""
    gap_us: dict[str, float]
    """Between two pieces of one stream."""
    cpu_s: float
    """CPU time of the gateway's process tree."""
    wall_s: float
    others_cores: float
    """Cores taken by work that has no part in the measurement."""
    stolen_cores: float
    """Cores that the machine's host kept for others."""
    upstream_requests: int
    """Requests that arrived at the provider."""
    wrong: dict[str, int]
    """Answers that do not count, by what was wrong with them."""
    unfinished: int

    @property
    def cpu_us_per_answer(self) -> float | None:
        """CPU time of the gateway per right answer."""
        return self.cpu_s * 1e6 / self.answers_total if self.answers_total else None

    @property
    def cpu_us_per_event(self) -> float | None:
        """CPU time of the gateway per event of a stream."""
        return self.cpu_s * 1e6 / self.events_total if self.events_total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start of a gateway, in seconds from its launch."""

    target: str
    ready_s: float | None
    """To its own word that it is ready, where it gives one."""
    first_answer_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Resident memory of a gateway's process tree."""

    target: str
    phase: str
    """`idle`: started, one request served; `loaded`: after all rounds."""
    resident_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """How long a fresh interpreter takes to import the command line."""

    seconds: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The run: machine, versions, settings, and what could not be measured."""

    machine: dict[str, object]
    versions: dict[str, str]
    notes: dict[str, str]
    settings: dict[str, object]
    missing: dict[str, str] = field(default_factory=dict)
    """Targets without figures, and why."""


Record = Window | Start | Memory | Import | About
KINDS: dict[str, type[Record]] = {kind.__name__.lower(): kind for kind in (Window, Start, Memory, Import, About)}


class Journal:
    """All records of a run, each written to the file as soon as it is known."""

    def __init__(self, records: Iterable[Record] = (), *, file: TextIO | None = None) -> None:
        self.records = list(records)
        self._file = file

    def add(self, record: Record) -> None:
        """Keep a record."""
        self.records.append(record)
        if self._file is not None:
            line = {"kind": type(record).__name__.lower(), **asdict(record)}
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()

    def windows(self, target: str, scenario: str) -> list[Window]:
        """Return the windows of one target under one scenario, by round."""
        return [w for w in self.all_windows() if w.target == target and w.scenario == scenario]

    def all_windows(self) -> list[Window]:
        """Return all windows."""
        return [record for record in self.records if isinstance(record, Window)]

    def starts(self, target: str) -> list[Start]:
        """Return the starts of a target."""
        return [record for record in self.records if isinstance(record, Start) and record.target == target]

    def memory_mb(self, target: str, phase: str) -> float | None:
        """Return the memory of a target in a phase."""
        for record in self.records:
            if isinstance(record, Memory) and (record.target, record.phase) == (target, phase):
                return record.resident_mb
        return None

    def imports_s(self) -> list[float]:
        """Return the import times of the command line."""
        return [seconds for record in self.records if isinstance(record, Import) for seconds in record.seconds]

    def about(self) -> About:
        """Return what is known of the run: of several notes the last, which names all that is missing."""
        return [record for record in self.records if isinstance(record, About)][-1]


def read(path: Path) -> Journal:
    """Read a run back from its file."""
    records: list[Record] = []
    for line in path.read_text().splitlines():
        fields = json.loads(line)
        records.append(KINDS[fields.pop("kind")](**fields))
    return Journal(records)
