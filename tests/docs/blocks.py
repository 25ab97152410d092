"""Code blocks of the documentation: found in the pages, and made ready to run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ADDRESS = "http://127.0.0.1:8484"
"""The address in all pages; the tests' own server has another port."""

_FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^>]+?) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<body>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    reason: str | None
    """Why it is not run; None if it is."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A line that a reader types, and what the page says it prints."""

    text: str
    prints: tuple[str, ...]
    """Lines; `…` stands for anything. Empty if the page does not say."""


def pages() -> list[Path]:
    """Return every page for users, the one at the front of the repository first."""
    return [Path("README.md"), *sorted(Path("docs").rglob("*.md"))]


def blocks_in(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        indent = found["indent"]
        lines = [line.removeprefix(indent) for line in found["body"].splitlines()]
        yield Block(
            page=page,
            line=text.count("\n", 0, found.start("language")) + 1,
            language=found["language"],
            text="\n".join(lines) + "\n",
            reason=found["reason"],
        )


def all_blocks(*languages: str) -> list[Block]:
    """Return the blocks of all pages in these languages that are meant to run."""
    found = (block for page in pages() for block in blocks_in(page))
    return [block for block in found if block.language in languages and block.reason is None]


def commands_in(text: str) -> Iterator[Command]:
    """Yield the commands of a console block: lines after `$ `, continued after a backslash, then what they print."""
    typed: list[str] = []
    printed: list[str] = []
    continues = False
    for line in text.splitlines():
        if continues:
            typed.append(line)
        elif line.startswith("$ "):
            if typed:
                yield Command(text="\n".join(typed), prints=tuple(printed))
            typed, printed = [line[2:]], []
        else:
            printed.append(line)
            continue
        continues = line.endswith("\\")
    if typed:
        yield Command(text="\n".join(typed), prints=tuple(printed))


def prints_as_told(told: tuple[str, ...], output: str) -> bool:
    """Tell whether a command printed what its page says."""
    expected = "\n".join(told).strip()
    pattern = ".*?".join(re.escape(part) for part in expected.split("…"))
    return re.fullmatch(pattern, output.strip(), re.DOTALL) is not None
