"""Many streams at once: what Narthex adds to the first byte, the longest stall, and the cost of an event.

    python -m bench.streams [--rounds 3] [--window 6] [--only direct,nginx,narthex] [--cancels 200] [--redis] [--check]

200 and 1,000 streams of 20 events a second, read from the provider itself, through nginx and through Narthex, in turn
within each round. As in `python -m bench`, the gateway has one core to itself, and client and provider share another.
Then streams through Narthex are cancelled, one after the other while the others run: how long their provider goes on.
`--only ""` measures that alone. With `--redis`, Narthex also runs keeping all answers, and keeping and copying them
to a Redis of its own beside client and provider.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

from bench.kit import copied, machine
from bench.kit.cancelling import cancel_ms
from bench.kit.goals import OURS, YARDSTICK, Verdict, cpu_per_event, pairs, ratios
from bench.kit.native import KitError
from bench.kit.records import About, Journal, Window
from bench.kit.scenarios import FULL, SPOKEN_GAP_MS, STREAMS
from bench.kit.session import Cores, Session, say
from bench.kit.targets import Missing, Target, find

FEW, MANY = (scenario.name for scenario in STREAMS)
GOAL_MISSED = 1
CANNOT_RUN = 2
PLAN = replace(FULL, rounds=3, window_s=6.0, starts=1, patience_s=10.0)


def first_byte_us(window: Window) -> float:
    """The figure behind "added to the first byte"."""
    return window.first_us["p50"]


def stall_ms(window: Window) -> float:
    """The longest pause between two pieces of one stream, in milliseconds."""
    return window.gap_us["max"] / 1000


def judge(journal: Journal) -> list[Verdict]:
    """Hold a run against the goals."""
    added = [(ours - direct) / 1000 for ours, direct in pairs(journal, FEW, first_byte_us, of=OURS, to="direct")]
    stalls = [stall_ms(window) for window in journal.windows(OURS, MANY)]
    goals = [
        Verdict(goal="added to the first byte at the median, 200 streams", limit=1, unit=" ms", values=added),
        Verdict(
            goal="longest stall in any round, 1,000 streams",
            limit=250,
            unit=" ms",
            values=[max(stalls)] if stalls else [],
            strict=False,
        ),
    ]
    for name in (FEW, MANY):
        values = ratios(journal, name, cpu_per_event)
        goals.append(
            Verdict(goal=f"CPU per event against nginx, {name}", limit=1, unit="×", values=values, strict=False)
        )
    return goals


def lines(journal: Journal) -> Iterator[str]:
    """Yield the report, as Markdown."""
    yield f"Streams of {1000 // SPOKEN_GAP_MS} events a second: medians over the rounds, the longest stall of all.\n"
    columns = ("streams", "target", "first byte p50, p99", "events/s", "between events p50, p99", "longest")
    yield f"| {' | '.join(columns)} | CPU per event | wrong, unfinished |"
    yield "|---" * (len(columns) + 2) + "|"
    for scenario in STREAMS:
        for target in journal.about().notes:
            windows = journal.windows(target, scenario.name)
            if windows:
                yield f"| {scenario.connections:,} | {target} | {_figures(windows)} |"
    yield ""
    for verdict in judge(journal):
        value = "not measured" if verdict.value is None else f"{verdict.value:.2f}{verdict.unit}"
        told = {True: "met", False: "MISSED", None: "-"}[verdict.met]
        yield f"- {verdict.goal}: {value}, goal {verdict.limit:g}{verdict.unit}: {told}"
    yield from copied.lines(journal, STREAMS)
    others = statistics.median(window.others_cores for window in journal.all_windows())
    yield f"- other work took {others:.2f} cores meanwhile"


def _figures(windows: list[Window]) -> str:
    def median(figure: Callable[[Window], float]) -> float:
        return statistics.median(figure(window) for window in windows)

    cpu = [cost for window in windows if (cost := window.cpu_us_per_event)]
    return " | ".join(
        (
            f"{median(lambda w: w.first_us['p50']) / 1000:.2f}, {median(lambda w: w.first_us['p99']) / 1000:.2f} ms",
            f"{median(lambda w: w.events_total / w.wall_s):,.0f}",
            f"{median(lambda w: w.gap_us['p50']) / 1000:.1f}, {median(lambda w: w.gap_us['p99']) / 1000:.1f} ms",
            f"{max(map(stall_ms, windows)):.0f} ms",
            f"{statistics.median(cpu):.1f} µs" if cpu else "-",
            f"{sum(sum(window.wrong.values()) for window in windows)}, {sum(window.unfinished for window in windows)}",
        )
    )


def cancelling(count: int) -> Verdict:
    """Cancel so many streams, print how long that took to reach their provider, and hold it against the goal."""
    taken = cancel_ms(count)
    p50, p99, longest = (taken[min(count - 1, int(share * count))] for share in (0.5, 0.99, 1.0))
    print(f"- from `cancel` to the provider, {count} streams: {p50:.1f} ms p50, {p99:.1f} p99, {longest:.1f} longest")
    return Verdict(goal="longest from `cancel` to the provider", limit=200, unit=" ms", values=[longest])


def run(targets: list[Target], missing: dict[str, str], options: argparse.Namespace) -> Journal:
    """Measure."""
    plan = replace(PLAN, rounds=options.rounds, window_s=options.window)
    expected_s = plan.seconds(len(targets), STREAMS)
    say(f"{', '.join(target.name for target in targets)}: about {expected_s:.0f} s")
    signal.alarm(int(3 * expected_s + 300))
    usable = sorted(os.sched_getaffinity(0))
    about = About(
        machine=machine.describe(),
        versions={},
        notes={target.name: target.note for target in targets},
        settings=asdict(plan),
        missing=missing,
    )
    out: Path = options.out
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w") as file:
        journal = Journal(file=file)
        cores = Cores(usable[0], usable[min(1, len(usable) - 1)])
        Session(plan, cores, journal, STREAMS).run(targets, about, interpreter=None)
    return journal


def _measured(
    found: list[Target], targets: list[Target], missing: dict[str, str], options: argparse.Namespace
) -> Journal:
    with ExitStack() as stack:
        if options.redis:
            url = stack.enter_context(copied.redis_running())
            targets = [*targets, *copied.sharing(next(one for one in found if one.name == OURS), url)]
        journal = run(targets, missing, options)
    print("\n".join(lines(journal)))
    return journal


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(f"stopped by {signal.Signals(number).name}; all that was started has been ended")


def main() -> int:
    """Run, print, and say by the exit code whether all went well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=PLAN.rounds, help="interleaved rounds")
    parser.add_argument("--window", type=float, default=PLAN.window_s, metavar="SECONDS", help="length of a window")
    parser.add_argument("--only", default=f"direct,{YARDSTICK},{OURS}", metavar="NAMES", help="targets, with commas")
    parser.add_argument("--cancels", type=int, default=200, metavar="COUNT", help="streams that are cancelled")
    parser.add_argument("--redis", action="store_true", help="measure keeping, and copying to Redis, as well")
    parser.add_argument("--check", action="store_true", help=f"exit with {GOAL_MISSED} if a goal is missed")
    default = Path(__file__).parent / "results" / time.strftime("streams-%Y%m%d-%H%M%S.jsonl")
    parser.add_argument("--out", type=Path, default=default, metavar="FILE", help="JSON lines")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, _leave)
    found, missing = find()
    targets = [target for target in found if target.name in options.only.split(",")]
    verdicts: list[Verdict] = []
    if targets or options.redis:
        try:
            journal = _measured(found, targets, missing, options)
        except (KitError, Missing) as error:
            say(f"bench: {error}")
            return CANNOT_RUN
        verdicts = judge(journal)
    if options.cancels:
        verdicts.append(cancelling(options.cancels))
    return GOAL_MISSED if options.check and not all(verdict.met for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
