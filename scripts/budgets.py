"""Hold modules, classes and functions to the sizes that keep code readable on one screen.

A thing above its soft limit must stand in `scripts/budgets.toml` with its exact figure; `--lower` writes the figures
that have fallen and drops those that are met, and never raises or adds one. Above the hard limit only a cut helps.
"""

from __future__ import annotations

import argparse
import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOTS = ("src", "tests", "scripts", "bench")
RATCHET = Path("scripts/budgets.toml")

Kind = Literal["module", "class", "methods", "function"]
SOFT: dict[Kind, int] = {"module": 500, "class": 300, "methods": 15, "function": 25}
HARD: dict[Kind, int] = {"module": 800, "class": 400, "methods": 20, "function": 50}
UNIT: dict[Kind, str] = {"module": "lines", "class": "lines", "methods": "public methods", "function": "lines of body"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The size of one thing in the code."""

    kind: Kind
    name: str
    """Path of the file, and after `::` the dotted name within it."""
    figure: int

    @property
    def key(self) -> str:
        """What the ratchet file calls it."""
        return f"{self.kind} {self.name}"


def sizes_in(path: str, source: str) -> Iterator[Size]:
    """Measure the module at `path`, its classes and its functions, nested ones included."""
    yield Size(kind="module", name=path, figure=source.count("\n"))
    yield from _sizes_below(ast.parse(source), f"{path}::")


def _sizes_below(node: ast.AST, prefix: str) -> Iterator[Size]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            name = f"{prefix}{child.name}"
            yield Size(kind="class", name=name, figure=(child.end_lineno or child.lineno) - child.lineno + 1)
            yield Size(kind="methods", name=name, figure=sum(map(_is_public_method, child.body)))
            yield from _sizes_below(child, f"{name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{prefix}{child.name}"
            yield Size(kind="function", name=name, figure=_body_lines(child))
            yield from _sizes_below(child, f"{name}.")
        else:
            yield from _sizes_below(child, prefix)


def _is_public_method(node: ast.stmt) -> bool:
    """Whether `node` is a method for others to call; `on_…` are called back by a parser, and are nobody's interface."""
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith(("_", "on_"))


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1 if body else 0


def measured(roots: tuple[str, ...] = ROOTS) -> dict[str, Size]:
    """Everything that is above its soft limit below `roots`, by key."""
    files = sorted(file for root in roots for file in Path(root).rglob("*.py") if not _is_foreign(file))
    sizes = (size for file in files for size in sizes_in(file.as_posix(), file.read_text(encoding="utf-8")))
    return {size.key: size for size in sizes if size.figure > SOFT[size.kind]}


def _is_foreign(file: Path) -> bool:
    """Whether `file` was installed here, or written by a program, rather than by somebody."""
    if file.parts[-3:-1] == ("migrations", "versions"):
        return True
    return any(part.startswith(".") or part in {"node_modules", "site-packages"} for part in file.parts)


def listed(ratchet: Path = RATCHET) -> dict[str, int]:
    """The offenders that are known, with the figure each may have."""
    if not ratchet.is_file():
        return {}
    return {str(key): int(figure) for key, figure in tomllib.loads(ratchet.read_text(encoding="utf-8")).items()}


def problems(offenders: dict[str, Size], known: dict[str, int]) -> list[str]:
    """One line per breach: too large, grown, or smaller than the list says."""
    found: list[str] = []
    for key, size in sorted(offenders.items()):
        measure = f"{size.name}: {size.figure} {UNIT[size.kind]}"
        if size.figure > HARD[size.kind]:
            found.append(f"{measure}; the hard limit is {HARD[size.kind]}: divide it")
        elif key not in known:
            found.append(f"{measure}; the limit is {SOFT[size.kind]}: divide it")
        elif size.figure > known[key]:
            found.append(f"{measure}; {known[key]} before, and it may only shrink")
    fallen = [key for key, figure in known.items() if key not in offenders or offenders[key].figure < figure]
    return found + [f"{key}: smaller now; run `python -m scripts.budgets --lower`" for key in sorted(fallen)]


def lowered(offenders: dict[str, Size], known: dict[str, int]) -> dict[str, int]:
    """The list with every figure at most what it was, without those that are met."""
    return {key: min(figure, offenders[key].figure) for key, figure in known.items() if key in offenders}


def _write(known: dict[str, int], ratchet: Path = RATCHET) -> None:
    head = (
        "# What is above its soft limit, and by how much. Figures may only fall: `python -m scripts.budgets --lower`.\n"
    )
    rows = "".join(f'"{key}" = {figure}\n' for key, figure in sorted(known.items()))
    ratchet.write_text(f"{head}\n{rows}" if rows else head, encoding="utf-8")


def main() -> int:
    """Print every breach; 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lower", action="store_true", help="write down the figures that have fallen")
    offenders = measured()
    if parser.parse_args().lower:
        _write(lowered(offenders, listed()))
    found = problems(offenders, listed())
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
