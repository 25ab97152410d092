"""`narthex cache`."""

from __future__ import annotations

import json

from tests.cli.conftest import Invoke

FEW = ("--keys", "500", "--requests", "5000")


def test_policies_are_compared(invoke: Invoke) -> None:
    """On the workload that was asked for, beside what a cache without end would answer."""
    result = invoke("cache", "bench", "--alpha", "1.0", "--size", "5", *FEW, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["workload"] == {"keys": 500, "requests": 5_000, "scan_percent": 0, "seed": 1}
    hits = {row["policy"]: row["hits"] for row in told["data"]}
    assert set(hits) == {"s3-fifo", "sieve", "lru", "lfu", "ttl"}
    assert hits["lru"] < hits["s3-fifo"] < told["data"][0]["ceiling"]


def test_tiers_are_told_apart(invoke: Invoke) -> None:
    """Each with its share, and all of them together."""
    result = invoke("cache", "bench", "--alpha", "1", "--tiers", "--policy", "s3-fifo", *FEW)
    assert result.exit_code == 0, result.output
    head, row = (line.split() for line in result.stdout.splitlines())
    assert head == ["ALPHA", "POLICY", "L1", "L2", "L3", "HITS", "CEILING"]
    assert row[-2] == row[-1]


def test_what_is_no_policy_is_refused(invoke: Invoke) -> None:
    """With the names of those there are."""
    result = invoke("cache", "bench", "--policy", "clock")
    assert result.exit_code == 2
    assert "s3-fifo" in result.output
