"""What the linters cannot say: where tasks start, where the environment is read, what packages export."""

from __future__ import annotations

import ast
import graphlib
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path("src/narthex")

TASKS_STARTED_IN = {
    "app.py": "the watch over the configuration file; it ends with the server",
    "cache/queries.py": "readings that several wait for; with the last of them they end",
    "cache/redis_session.py": "a task group",
    "cache/semantic/embedding.py": "calls that end with it, or late, and are bounded in number",
    "cache/tiers/redis.py": "looks that are late; bounded in number, and ended with the connection",
    "config/watch.py": "the watch over one folder; it ends with the iterator",
    "http/lane.py": "one task per request; it is kept on the connection, which ends it",
    "http/late.py": "the making of the web application; it is kept on the application, and ends by itself",
    "http/server.py": "the sweep over slow clients; it ends with the server",
    "http/sockets/connection.py": "kept in the server's books, and logged when it breaks",
    "pipeline/gateway.py": "the producers of answers; the gateway holds them, and awaits them at stop",
    "pipeline/shared_streams.py": "a task group",
    "stores/link.py": "the session of a connection; the link awaits it",
    "stores/redis_bell.py": "the reader and the writer of a connection; a task group awaits them",
    "stores/redis_notes.py": "the reader and the writer of a connection; a task group awaits them",
    "tenancy/office.py": "the one that opens and follows the database; the office awaits it at stop",
    "testing/trials.py": "the calls of a catalogue; a task group awaits them",
    "testing/upstream.py": "one task per connection; the upstream holds them, and awaits them at stop",
}
"""The only modules that start tasks, and who watches over those."""

ENVIRONMENT_READ_IN = {
    "app.py": "hands the environment to the settings",
    "testing": "hides the environment of whoever runs a test",
    "config": "the settings are the one reader",
    "cli": "hands the environment to the settings, and asks the terminal what it can show",
    "client": "`NARTHEX_URL` and `NARTHEX_API_KEY` say which server to talk to",
}
"""The only rooms that read the environment."""


def _modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def _names_used(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id


def _users_of(*names: str) -> set[str]:
    """Modules, relative to the source, whose code uses one of `names`."""
    return {
        module.relative_to(SOURCE).as_posix()
        for module in _modules()
        if not set(names).isdisjoint(_names_used(ast.parse(module.read_text(encoding="utf-8"))))
    }


def test_tasks_start_only_where_they_are_watched() -> None:
    """Outside the listed modules, work runs in task groups: no task is started and forgotten."""
    assert sorted(_users_of("create_task", "ensure_future") - TASKS_STARTED_IN.keys()) == []


def test_the_environment_is_read_in_few_rooms() -> None:
    """No module outside the listed rooms reads an environment variable."""
    readers = {name for name in _users_of("environ", "getenv") if name.split("/")[0] not in ENVIRONMENT_READ_IN}
    assert sorted(readers) == []


def _name_of(module: Path) -> str:
    parts = module.relative_to("src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] in {"__init__", "__main__"} else parts)


def _imports(module: Path, known: set[str]) -> Iterator[str]:
    """Yield the modules that one imports as it is loaded: those inside functions wait until they are called."""
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module


def test_no_module_needs_itself() -> None:
    """Each module can be imported first: what it imports leads back to none."""
    modules = {_name_of(module): module for module in _modules() if module.stem != "__main__"}
    needs = {name: set(_imports(module, set(modules))) for name, module in modules.items()}
    graphlib.TopologicalSorter(needs).prepare()


@pytest.mark.parametrize("module", _modules(), ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_exports_exist(module: Path) -> None:
    """Every name in `__all__` is there, listed once and in order."""
    imported = importlib.import_module(_name_of(module))
    exported: list[str] = list(getattr(imported, "__all__", ()))
    assert len(set(exported)) == len(exported)
    assert [export for export in exported if not hasattr(imported, export)] == []


def test_the_package_exports_its_faces() -> None:
    """`import narthex` offers the gateway, the clients and the errors, and loads them when first used."""
    narthex = importlib.import_module("narthex")
    for name in ("Gateway", "Client", "AsyncClient", "errors"):
        assert name in dir(narthex)
        assert getattr(narthex, name) is not None
