"""Every test says what it promises, and every module has a test file of its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path("src/narthex")
TESTS = Path("tests")

UNTESTED = Path(__file__).with_name("untested.txt")
"""Modules that hold nothing to test, or are proved by their neighbours' tests; each line gives the reason."""


def _test_files() -> list[Path]:
    return sorted(TESTS.rglob("test_*.py"))


def _functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]


def _exceptions() -> dict[str, str]:
    rows = (line.partition(":") for line in UNTESTED.read_text(encoding="utf-8").splitlines() if ":" in line)
    return {module.strip(): reason.strip() for module, _, reason in rows}


def _holds_no_logic(module: Path) -> bool:
    """Whether a module only declares: a package's map, values, a contract."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return all(isinstance(statement, ast.Expr) for function in functions for statement in function.body)


def _test_of(module: Path) -> Path:
    relative = module.relative_to(SOURCE)
    stem = relative.parent.name if relative.name == "__init__.py" else relative.stem
    folder = relative.parent.parent if relative.name == "__init__.py" and relative.parent.name else relative.parent
    return TESTS / folder / f"test_{stem or 'narthex'}.py"


@pytest.mark.parametrize("path", _test_files(), ids=str)
def test_every_test_promises_something(path: Path) -> None:
    """Each test has a docstring of one sentence."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent = [function.name for function in _functions(tree) if not ast.get_docstring(function)]
    assert silent == []


def test_every_module_has_its_test_file() -> None:
    """The tree of tests mirrors the source; what has no file of its own is listed with the reason."""
    modules = [module for module in sorted(SOURCE.rglob("*.py")) if not _holds_no_logic(module)]
    without = {module.relative_to(SOURCE).as_posix() for module in modules if not _test_of(module).is_file()}
    assert sorted(without - _exceptions().keys()) == []


def test_the_list_of_untested_modules_only_shrinks() -> None:
    """A module that is gone or has its test file leaves the list, and each one listed has a reason."""
    listed = _exceptions()
    stale = [name for name in listed if not (SOURCE / name).is_file() or _test_of(SOURCE / name).is_file()]
    assert stale == []
    assert all(listed.values())
