"""The headers of a response."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class Headers(Mapping[str, str]):
    """Headers as they came, decoded when first asked for: of a good answer hardly anyone does."""

    _decoded: dict[str, str] | None = None

    def __init__(self, raw: Mapping[bytes, bytes]) -> None:
        self.raw = raw
        """By names as they were spelled."""

    @property
    def is_event_stream(self) -> bool:
        """Whether the body is a stream of server-sent events."""
        raw = self.raw
        kind = raw.get(b"content-type") or raw.get(b"Content-Type")
        return (kind.decode("latin-1") if kind else self.get("content-type", "")).startswith("text/event-stream")

    def _all(self) -> dict[str, str]:
        if self._decoded is None:
            self._decoded = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.raw.items()
            }
        return self._decoded

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())
