"""What was saved, and what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from narthex.compression.contract import CodecName, Kind

MOST_NAMESPACES: Final = 256
"""Namespaces that are told apart; more are counted under `other`."""
OTHER: Final = "other"


@dataclass(slots=True)
class Tally:
    """The figures of one codec in one namespace."""

    compressed: int = 0
    """Frames written."""
    plain_bytes: int = 0
    stored_bytes: int = 0
    compress_ns: int = 0
    decompressed: int = 0
    decompress_ns: int = 0

    @property
    def ratio(self) -> float:
        """Plain bytes for each that is stored; 1 where nothing was."""
        return self.plain_bytes / self.stored_bytes if self.stored_bytes else 1.0

    @property
    def saved_bytes(self) -> int:
        """Bytes that are not stored."""
        return self.plain_bytes - self.stored_bytes

    def told(self) -> dict[str, object]:
        """Return the figures as the control API tells them."""
        return {
            "compressed": self.compressed,
            "decompressed": self.decompressed,
            "plain_bytes": self.plain_bytes,
            "stored_bytes": self.stored_bytes,
            "saved_bytes": self.saved_bytes,
            "ratio": round(self.ratio, 3),
            "compress_us": round(self.compress_ns / max(1, self.compressed) / 1_000, 2),
            "decompress_us": round(self.decompress_ns / max(1, self.decompressed) / 1_000, 2),
        }


class CompressionStats:
    """The figures of all namespaces.

    Attributes:
        corrupt: Frames that were not what was written.
        missing: Frames whose dictionary was gone.
        trained: Dictionaries that were made and taken.
        untaken: Those that were made, or tried to be made, and were not worth it.
    """

    def __init__(self) -> None:
        """Begin at zero."""
        self.corrupt = self.missing = self.trained = self.untaken = 0
        self._tallies: dict[tuple[Kind, str, CodecName], Tally] = {}
        self._namespaces: set[tuple[Kind, str]] = set()

    def tally(self, kind: Kind, namespace: str, codec: CodecName) -> Tally:
        """Return the figures of a codec in a namespace."""
        found = self._tallies.get((kind, namespace, codec))
        return self._new(kind, namespace, codec) if found is None else found

    def told(self) -> list[dict[str, object]]:
        """Return all figures as the control API tells them, a row for each codec in a namespace."""
        return [
            {"kind": kind, "namespace": namespace, "codec": codec, **tally.told()}
            for (kind, namespace, codec), tally in sorted(self._tallies.items())
        ]

    def lines(self) -> Iterator[str]:
        """Yield the figures for Prometheus, by kind and codec: namespaces are told by the control API alone."""
        sums: dict[tuple[Kind, CodecName], Tally] = {}
        for (kind, _, codec), one in sorted(self._tallies.items()):
            into = sums.setdefault((kind, codec), Tally())
            for name in Tally.__slots__:
                setattr(into, name, getattr(into, name) + getattr(one, name))
        for name, what, says in _COUNTED:
            yield f"# HELP narthex_compression_{name}_total {says}"
            yield f"# TYPE narthex_compression_{name}_total counter"
            for (kind, codec), sum_ in sums.items():
                figure = getattr(sum_, what)
                told = figure / 1e9 if what.endswith("_ns") else figure
                yield f'narthex_compression_{name}_total{{kind="{kind}",codec="{codec}"}} {told}'
        for word, says in _TOLD:
            yield f"# HELP narthex_compression_{word}_total {says}"
            yield f"# TYPE narthex_compression_{word}_total counter"
            yield f"narthex_compression_{word}_total {getattr(self, word)}"

    def _new(self, kind: Kind, namespace: str, codec: CodecName) -> Tally:
        if (kind, namespace) not in self._namespaces:
            if len(self._namespaces) >= MOST_NAMESPACES:
                namespace = OTHER
            self._namespaces.add((kind, namespace))
        return self._tallies.setdefault((kind, namespace, codec), Tally())


_COUNTED: Final = (
    ("frames", "compressed", "Pieces that were compressed."),
    ("plain_bytes", "plain_bytes", "Their bytes before compression."),
    ("stored_bytes", "stored_bytes", "Their bytes after it."),
    ("seconds", "compress_ns", "Time that compression took."),
    ("reads", "decompressed", "Pieces that were decompressed."),
    ("read_seconds", "decompress_ns", "Time that decompression took."),
)
_TOLD: Final = (
    ("corrupt", "Pieces that were not what was written."),
    ("missing", "Pieces whose dictionary was lost."),
    ("trained", "Dictionaries that were made and taken."),
    ("untaken", "Dictionaries that were made, or tried to be, and were not worth it."),
)
