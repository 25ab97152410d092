"""Measures Narthex beside nginx, Envoy and whatever peers are installed; prints the tables and the goals.

    python -m bench [--quick] [--only nginx,narthex] [--out FILE]

All traffic stays on loopback, the run is bounded in time, and nothing that it starts outlives it.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from bench.kit import machine, records
from bench.kit.goals import OURS, judge
from bench.kit.native import KitError
from bench.kit.records import About, Journal
from bench.kit.report import render
from bench.kit.scenarios import FULL, QUICK, Plan
from bench.kit.session import Cores, Session, say
from bench.kit.targets import Missing, Target, custom, find, program

RESULTS = Path(__file__).parent / "results"
VERSION_FLAGS = {"nginx": "-v", "envoy": "--version", OURS: "--version", "litellm": "--version", "smg": "--version"}
GOAL_MISSED = 1
CANNOT_RUN = 2


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="about a minute, without the slow peers; rough figures")
    parser.add_argument(
        "--only", default="*", metavar="NAMES", help="targets, with commas and wildcards; default: all found"
    )
    parser.add_argument("--rounds", type=int, help="interleaved rounds")
    parser.add_argument("--window", type=float, metavar="SECONDS", help="length of a window")
    parser.add_argument(
        "--cores", default="", metavar="GATEWAY,LOAD", help="which cores to use; default: the first two"
    )
    parser.add_argument("--gateway", action="append", default=[], metavar="NAME=COMMAND",
                        help="measure one more; {port} and {upstream} in the command stand for the ports")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON lines; default: a new file in bench/results")
    parser.add_argument(
        "--check", action="store_true", help=f"exit with {GOAL_MISSED} if a goal is missed or not measured"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="measure nothing: print the tables of an earlier run"
    )
    return parser.parse_args(given)


def choose_plan(options: argparse.Namespace) -> Plan:
    """Return how long the run is to take."""
    plan = QUICK if options.quick else FULL
    if options.rounds:
        plan = replace(plan, rounds=options.rounds)
    return replace(plan, window_s=options.window) if options.window else plan


def choose_cores(asked: str) -> Cores:
    """Return the cores to use; on a machine with only one, everything shares it."""
    if asked:
        gateway, _, load = asked.partition(",")
        return Cores(int(gateway), int(load or gateway))
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) == 1:
        say("only one core: gateway, client and provider share it; trust CPU times, not rates")
    return Cores(usable[0], usable[min(1, len(usable) - 1)])


def choose_targets(options: argparse.Namespace) -> tuple[list[Target], dict[str, str]]:
    """Return what to measure, and what cannot be."""
    found, missing = find()
    patterns = options.only.split(",")

    def asked(name: str) -> bool:
        return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)

    named = options.only != "*"
    chosen = [target for target in found if asked(target.name) and (named or not (options.quick and target.peer))]
    chosen += [custom(text) for text in options.gateway]
    return chosen, {name: reason for name, reason in missing.items() if asked(name)}


def version_of(name: str) -> str:
    """Return the version of a program, or nothing."""
    if name not in VERSION_FLAGS:
        return ""
    try:
        result = subprocess.run(
            [program(name), VERSION_FLAGS[name]], capture_output=True, text=True, timeout=30, check=False
        )
    except (Missing, OSError, subprocess.TimeoutExpired):
        return ""
    words = (result.stdout + result.stderr).replace("/", " ").split()
    return next((word.strip("v,:") for word in words if word.lstrip("v")[:1].isdigit() and "." in word), "")


def interpreter_of_narthex() -> Path | None:
    """Return the interpreter that Narthex is installed for."""
    try:
        beside = Path(program(OURS)).resolve().parent / "python"
    except Missing:
        return None
    return beside if beside.exists() else None


def run(options: argparse.Namespace) -> Journal:
    """Measure everything asked for."""
    plan, cores = choose_plan(options), choose_cores(options.cores)
    targets, missing = choose_targets(options)
    if not targets:
        raise KitError(f"nothing to measure: {missing or 'no target has such a name'}")
    expected_s = plan.seconds(len(targets))
    say(f"{', '.join(target.name for target in targets)}: about {expected_s:.0f} s")
    signal.alarm(int(3 * expected_s + 300))
    about = About(
        machine=machine.describe(),
        versions={target.name: version_of(target.name) for target in targets},
        notes={target.name: target.note for target in targets},
        settings={**asdict(plan), "cores": asdict(cores)},
        missing=missing,
    )
    out = options.out or RESULTS / time.strftime("%Y%m%d-%H%M%S.jsonl")
    out.parent.mkdir(parents=True, exist_ok=True)
    ours = any(target.name == OURS for target in targets)
    with out.open("w") as file:
        journal = Journal(file=file)
        Session(plan, cores, journal).run(targets, about, interpreter=interpreter_of_narthex() if ours else None)
    say(f"records: {out}")
    return journal


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(f"stopped by {signal.Signals(number).name}; all that was started has been ended")


def main() -> int:
    """Run, print, and say by the exit code whether all went well."""
    options = arguments(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, _leave)
    try:
        journal = records.read(options.report) if options.report else run(options)
        print(render(journal))
    except (KitError, Missing) as error:
        say(f"bench: {error}")
        return CANNOT_RUN
    return GOAL_MISSED if options.check and not all(verdict.met for verdict in judge(journal)) else 0


if __name__ == "__main__":
    sys.exit(main())
