"""`narthex cache`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from narthex.cache.eviction import POLICIES
from narthex.cache.trials import hit_rate, tier_rates
from narthex.cache.workloads import Trace, ceiling, with_scan, zipf
from narthex.cli.kept_answers import CONTROLS
from narthex.cli.parameters import json_option
from narthex.cli.terminal import print_json, print_table

_HELP = """
See how the cache does, empty and fill it, and compare policies of eviction.

A running server is asked, as the owner of the key: of one's own workspace, or of everything for whoever runs it.

\b
Examples:
  narthex cache stats
  narthex cache entries --model openai/gpt-4o
  narthex cache invalidate --tag invoices --tag "2025-*"
  narthex cache warm questions.jsonl
  narthex cache bench
"""
_BENCH_HELP = """
Compare policies of eviction on workloads that are named.

A workload is a number of requests for a number of keys, of which the n-th is asked for with a share of n to the power
of minus ALPHA (Zipf). The ceiling is what a cache without end would answer. --tiers tries three tiers behind one
another, with room for 2 %, 50 % and all of the keys. Nothing is called: only keys are looked up, in this process.

\b
Examples:
  narthex cache bench
  narthex cache bench --alpha 1.0 --size 10 --policy s3-fifo --policy lru
  narthex cache bench --scan 30          with 30 % of requests that never come back
  narthex cache bench --tiers --json
"""

_TIERS = (2, 50, 100)
"""Room of the three tiers, in percent of the keys."""
Row = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the command was told."""

    alphas: tuple[float, ...]
    percents: tuple[float, ...]
    names: tuple[str, ...]
    keys: int
    requests: int
    scan: float
    seed: int
    tiers: bool


@click.group(help=_HELP)
def command() -> None:
    """See `narthex cache --help`."""


for _control in CONTROLS:
    command.add_command(_control)


@command.command(help=_BENCH_HELP)
@click.option(
    *("--alpha", "alphas"),
    type=click.FloatRange(0, 5),
    multiple=True,
    default=(0.7, 0.9, 1.0, 1.1),
    show_default=True,
    help="How unevenly keys are asked for; may be repeated.",
)
@click.option(
    *("--size", "percents"),
    type=click.FloatRange(0, 100, min_open=True),
    multiple=True,
    default=(1, 10),
    show_default=True,
    help="Room of the cache in percent of the keys; may be repeated.",
)
@click.option("--policy", "names", type=click.Choice(list(POLICIES)), multiple=True, help="Only this; may be repeated.")
@click.option("--keys", type=click.IntRange(10, 10_000_000), default=20_000, show_default=True, help="How many keys.")
@click.option(
    "--requests", type=click.IntRange(1, 100_000_000), default=300_000, show_default=True, help="How many requests."
)
@click.option(
    "--scan", type=click.FloatRange(0, 90), default=0, help="Requests that never come back, in percent of all."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Makes the same trace again.")
@click.option("--tiers", is_flag=True, help="Try three tiers behind one another in place of one cache.")
@json_option
def bench(*, as_json: bool, **said: object) -> None:
    """See `narthex cache bench --help`."""
    asked = _Asked(**said)  # type: ignore[arg-type]  # the options above, by their names
    rows = list(_rows(asked))
    if as_json:
        workload = {"keys": asked.keys, "requests": asked.requests, "scan_percent": asked.scan, "seed": asked.seed}
        print_json({"object": "list", "workload": workload, "data": rows})
    else:
        _print(rows)


def _rows(asked: _Asked) -> Iterator[Row]:
    for alpha in asked.alphas:
        whole = zipf(alpha, keys=asked.keys, requests=asked.requests, seed=asked.seed)
        trace = with_scan(whole, asked.scan / 100, seed=asked.seed)
        most = round(ceiling(trace), 4)
        for row in _in_tiers(trace, asked) if asked.tiers else _alone(trace, asked):
            yield {"alpha": alpha, **row, "ceiling": most}


def _alone(trace: Trace, asked: _Asked) -> Iterator[Row]:
    for percent in asked.percents:
        room = max(1, round(asked.keys * percent / 100))
        for name in asked.names or POLICIES:
            yield {"size_percent": percent, "policy": name, "hits": round(hit_rate(POLICIES[name], trace, room), 4)}


def _in_tiers(trace: Trace, asked: _Asked) -> Iterator[Row]:
    rooms = [max(1, asked.keys * percent // 100) for percent in _TIERS]
    for name in asked.names or POLICIES:
        rates = tier_rates(POLICIES[name], trace, rooms)
        tiers = {f"l{number}": round(rate, 4) for number, rate in enumerate(rates, 1)}
        yield {"policy": name, **tiers, "hits": round(sum(rates), 4)}


def _print(rows: Sequence[Row]) -> None:
    names = list(rows[0])
    shares = {"hits", "ceiling", "l1", "l2", "l3"}
    print_table(
        [name.upper().replace("_PERCENT", " %") for name in names],
        [[f"{row[name]:.1%}" if name in shares else str(row[name]) for name in names] for row in rows],
    )
