"""Proves that the load client counts no wrong answer: the mock provider breaks its answers in every way it knows.

python -m bench.selfcheck
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from bench.kit import probes
from bench.kit.native import Aim, Load, Mock, compile_program
from bench.kit.scenarios import QUICK, STREAM_EVENTS, Scenario, Traffic, body

PLAN = replace(QUICK, window_s=0.2, warmup_s=0.0)
MODEL = "gpt-bench"


@dataclass(frozen=True, slots=True)
class Case:
    """A broken answer, and what it must be counted as."""

    traffic: Traffic
    fault: str
    """Empty: nothing is wrong."""
    kind: str


CASES = (
    Case("json", "", ""),
    Case("json", "status", "status"),
    Case("json", "short", "broken"),
    Case("json", "brief", "length"),
    Case("sse", "", ""),
    Case("sse", "status", "status"),
    Case("sse", "missing", "events"),
    Case("sse", "undone", "end"),
    Case("sse", "cut", "broken"),
)


def verdict(case: Case, seen: Mapping[str, object]) -> str:
    """Return what the client did wrong, or nothing."""
    right, wrong = seen["answers_total"], seen["wrong"]
    assert isinstance(wrong, dict)
    counted = [kind for kind, count in wrong.items() if count]
    expected = [case.kind] if case.kind else []
    if counted != expected or bool(right) == bool(case.fault):
        return f"expected {expected}, counted {wrong}, took {right} for right"
    return ""


def main() -> int:
    """Run all cases; the exit code says whether the client may be believed."""
    failures = 0
    core = min(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="narthex-bench-") as name:
        folder = Path(name)
        log = folder / "kit.log"
        load = Load(compile_program("load", folder), core=core, log=log)
        with closing(Mock(compile_program("mock", folder), port=probes.free_port(), core=core, log=log)) as mock:
            length = len(probes.ask(mock.port, body("json", model=MODEL), {}))
            for case in CASES:
                failures += not check(case, load, mock.port, length, folder)
    return 1 if failures else 0


def check(case: Case, load: Load, port: int, length: int, folder: Path) -> bool:
    """Run one case, and say how it went."""
    request = json.loads(body(case.traffic, model=MODEL))
    request["user"] = f"bench-fault-{case.fault}" if case.fault else "bench-user-1"
    file = folder / "body.json"
    file.write_bytes(json.dumps(request).encode())
    stream = case.traffic != "json"
    aim = Aim(
        port=port,
        body_file=file,
        headers={},
        answer_bytes=0 if stream else length,
        events=STREAM_EVENTS if stream else 0,
    )
    seen, _ = load.run(aim, Scenario(name="check", traffic=case.traffic, connections=4), PLAN)
    problem = verdict(case, seen)
    print(f"{case.traffic:5} {case.fault or 'whole':8} {problem or 'as it should be'}")
    return not problem


if __name__ == "__main__":
    sys.exit(main())
