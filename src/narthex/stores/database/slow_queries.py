"""Which statements take long, how often, and who asks them."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy import event

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

MAX_STATEMENTS: Final = 200
"""Statements that are told apart; when there are more, the one that took longest least is forgotten."""
MAX_CHARACTERS: Final = 2_000
"""Characters of a statement that are kept."""
_STARTED: Final = "narthex_started"

_SPACES: Final = re.compile(r"\s+")
_LISTS: Final = re.compile(r"\((\s*(?:\?|%\(\w+\)s(?:::\w+)?|%s|:\w+)\s*,?)+\)")
_NUMBERS: Final = re.compile(r"\b\d+\b")
_TEXTS: Final = re.compile(r"'(?:[^']|'')*'")


@dataclass(slots=True, kw_only=True)
class SlowQuery:
    """A statement that took long at least once."""

    sql: str
    """Without values, so that it holds nothing of anybody."""
    count: int = 0
    """How often it took long."""
    total_ms: float = 0.0
    longest_ms: float = 0.0
    callers: dict[str, int] = field(default_factory=dict)
    """Who asked it, by how often."""


def normalised(sql: str) -> str:
    """Return a statement without values, lists of values and line ends: two that differ in these alone are one."""
    sql = _TEXTS.sub("?", sql[: MAX_CHARACTERS * 2])
    sql = _LISTS.sub("(…)", _SPACES.sub(" ", sql).strip())
    return _NUMBERS.sub("?", sql)[:MAX_CHARACTERS]


def name_of(work: object) -> str:
    """Return what a work is called: its module and function."""
    inner = getattr(work, "func", work)
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    return f"{getattr(inner, '__module__', '')}.{name}".replace(".<locals>", "")


class QueryLog:
    """Watches the statements of engines."""

    def __init__(self, slow_ms: int, clock: Callable[[], float] = time.perf_counter) -> None:
        """List statements that take longer than `slow_ms`."""
        self.slow_ms = slow_ms
        self.statements = 0
        self.total_s = 0.0
        self.slow = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._queries: dict[str, SlowQuery] = {}

    def attach(self, engine: Engine) -> None:
        """Watch all statements of an engine."""
        event.listen(engine, "before_cursor_execute", self._before)
        event.listen(engine, "after_cursor_execute", self._after)

    def slowest(self) -> list[SlowQuery]:
        """Return the slow ones, by the time they took together."""
        with self._lock:
            return sorted(self._queries.values(), key=lambda query: query.total_ms, reverse=True)

    def _before(self, connection: Connection, *_: object) -> None:
        connection.info[_STARTED] = self._clock()

    def _after(self, connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        took_s = self._clock() - connection.info[_STARTED]
        with self._lock:
            self.statements += 1
            self.total_s += took_s
            if took_s * 1_000 >= self.slow_ms:
                self._note(statement, took_s * 1_000, connection.get_execution_options().get("caller", ""))

    def _note(self, statement: str, took_ms: float, caller: str) -> None:
        self.slow += 1
        sql = normalised(statement)
        query = self._queries.get(sql)
        if query is None:
            if len(self._queries) >= MAX_STATEMENTS:
                del self._queries[min(self._queries.values(), key=lambda known: known.longest_ms).sql]
            query = self._queries[sql] = SlowQuery(sql=sql)
        query.count += 1
        query.total_ms += took_ms
        query.longest_ms = max(query.longest_ms, took_ms)
        query.callers[caller] = query.callers.get(caller, 0) + 1
