"""Where every value of the settings came from."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal

KeyPath = tuple[str | int, ...]
"""Names and list positions from the root of the settings to a value."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ORDER = ("file", "environment", "flag", "discovered", "default")


def dotted(path: KeyPath) -> str:
    """Write a path as it is read: `providers.openai.timeouts`, with quotes around names that hold dots."""
    return ".".join(_segment(part) for part in path)


def _segment(part: str | int) -> str:
    text = str(part)
    return text if _BARE_KEY.fullmatch(text) else json.dumps(text, ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where one value came from."""

    kind: Literal["default", "file", "environment", "flag", "discovered"]
    name: str | None = None
    """The file as the user would name it, the variable, or the flag with its dashes."""
    line: int | None = None
    """Counted from 1; only in files."""
    column: int | None = None
    """Counted from 1; only in files."""

    def __str__(self) -> str:
        """Name the origin in a listing: `narthex.toml:3`, `env NAME`, `flag --port`, `default`."""
        match self.kind:
            case "file":
                return f"{self.name}:{self.line}" if self.line else f"{self.name}"
            case "environment":
                return f"env {self.name}"
            case "flag":
                return f"flag {self.name}"
            case "discovered":
                return f"discovered ({self.name})" if self.name else "discovered"
            case "default":
                return "default"

    @property
    def where(self) -> str:
        """The beginning of a message about this value; empty for a default."""
        if self.kind == "file" and self.line:
            return f"{self.name}:{self.line}:{self.column}"
        return self.name or ""

    @property
    def sort_key(self) -> tuple[int, int, int, str]:
        """Orders messages as the user looks for them: the file from top to bottom, then environment, then flags."""
        return (_ORDER.index(self.kind), self.line or 0, self.column or 0, self.name or "")


DEFAULT = Origin(kind="default")
"""The origin of everything that nobody set."""
