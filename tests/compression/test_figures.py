"""What was saved."""

from __future__ import annotations

from narthex.compression import figures
from narthex.compression.figures import CompressionStats


def test_figures_are_told_by_namespace_and_summed_by_kind() -> None:
    """The control API tells each namespace, and the metrics their sums without any name of theirs."""
    stats = CompressionStats()
    for name, plain in (("one", 3_000), ("two", 1_000)):
        tally = stats.tally("cache", name, "zstd")
        tally.compressed += 1
        tally.plain_bytes += plain
        tally.stored_bytes += 500
        tally.compress_ns += 2_000
    first = stats.told()[0]
    assert (first["namespace"], first["ratio"], first["saved_bytes"], first["compress_us"]) == ("one", 6.0, 2_500, 2.0)
    lines = list(stats.lines())
    assert 'narthex_compression_plain_bytes_total{kind="cache",codec="zstd"} 4000' in lines
    assert 'narthex_compression_seconds_total{kind="cache",codec="zstd"} 4e-06' in lines
    assert not any("one" in line for line in lines)


def test_nothing_saved_is_a_ratio_of_one() -> None:
    """Before anything was stored there is no division by nothing."""
    stats = CompressionStats()
    assert stats.tally("cache", "", "none").ratio == 1.0
    assert stats.told()[0]["decompress_us"] == 0.0


def test_namespaces_are_bounded(monkeypatch: object) -> None:
    """More namespaces than are told apart are counted together."""
    stats = CompressionStats()
    for number in range(figures.MOST_NAMESPACES + 5):
        stats.tally("cache", str(number), "zstd").compressed += 1
    other = [row for row in stats.told() if row["namespace"] == figures.OTHER]
    assert [row["compressed"] for row in other] == [5]
