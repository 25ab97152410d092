"""Entries and declarations as rows, the same in SQLite and in PostgreSQL.

    narthex_cache_entries        an entry: its scope, and a frame of the compression; when it ends, when it was used
    narthex_cache_declarations   what was declared void, numbered, where no Redis numbers it
    narthex_cache_dictionaries   what entries were compressed with, where several processes read them
    narthex_cache_facts          the format, and who gives out the numbers

Of another format, or with numbers of another row, nothing that lies there can be judged: it goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Final, NamedTuple, Protocol, cast

FORMAT: Final = 1
MAX_DECLARATIONS: Final = 10_000
"""That are held; whoever missed more takes everything for void."""
PAGE: Final = 256
DICTIONARY_LIFE_MS: Final = 100 * 86_400_000
"""How long a dictionary lies there after it was written last: longer than any entry."""

SqlRow = tuple[object, ...]


class Driver(Protocol):
    """A connection on which statements are done one after the other, each by itself unless a transaction was begun.

    Parameters are written as question marks.
    """

    kind: str
    """`sqlite` or `postgresql`."""
    makes: Sequence[str]
    """Statements that make the tables."""

    def do(self, statement: str, values: Sequence[object] = ()) -> list[SqlRow]:
        """Do a statement, and return the rows that it finds."""
        ...

    def many(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Do a statement for each of several rows."""
        ...

    def begin(self, *, numbering: bool = False) -> None:
        """Begin to write, with `numbering` as the only one who gives out numbers."""
        ...

    def tidy(self) -> None:
        """Leave nothing behind of what was removed."""
        ...

    def stop(self) -> None:
        """Have the statement that is being done fail; from any thread."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Row(NamedTuple):
    """An entry as it lies there."""

    key: bytes
    scope: str
    value: bytes
    ends_ms: int
    used_ms: int


class DictionaryRow(NamedTuple):
    """A dictionary of the compression as it lies there."""

    id: bytes
    kept_ms: int
    """When it was last written, in milliseconds of Unix time."""
    content: bytes


class Changes(NamedTuple):
    """What is written together, in this order."""

    removed: Sequence[bytes] = ()
    put: Sequence[Row] = ()
    used: Sequence[tuple[int, bytes]] = ()
    """When an entry was used last, and its key."""
    dictionaries: Sequence[DictionaryRow] = ()
    """That the entries were written with."""


class Held(NamedTuple):
    """What lies there."""

    bytes: int
    entries: int


class Said(NamedTuple):
    """A declaration as it lies there."""

    number: int
    previous: int
    said: bytes


class SqlRows:
    """Reads and writes rows, over one connection; in one thread at a time.

    Rows are written in the order of their keys, so that no two processes wait for one another.
    """

    def __init__(self, driver: Driver) -> None:
        """Take the connection."""
        self._driver = driver

    def make(self, line: str) -> None:
        """Make the tables where there are none, and let go of what cannot be judged.

        Args:
            line: Who gives out the numbers of declarations.
        """
        with self._writing(numbering=True):
            for statement in self._driver.makes:
                self._driver.do(statement)
            facts = {row[0]: row[1] for row in self._driver.do("SELECT name, value FROM narthex_cache_facts")}
            if (facts.get("format"), facts.get("line")) != (str(FORMAT), line):
                self._driver.do("DELETE FROM narthex_cache_entries")
                self._driver.do("DELETE FROM narthex_cache_declarations")
                self._driver.do("DELETE FROM narthex_cache_dictionaries")
                self._driver.do("DELETE FROM narthex_cache_facts")
                self._driver.many(
                    "INSERT INTO narthex_cache_facts (name, value) VALUES (?, ?)",
                    [("format", str(FORMAT)), ("line", line)],
                )

    def erased_ms(self) -> int:
        """Return until when who was erased is gone from here, in milliseconds of Unix time."""
        found = self._driver.do("SELECT value FROM narthex_cache_facts WHERE name = 'erased_ms'")
        return int(cast("str", found[0][0])) if found else 0

    def note_erased(self, until_ms: int) -> None:
        """Take note that who was erased until then is gone from here."""
        with self._writing():
            self._driver.do("DELETE FROM narthex_cache_facts WHERE name = 'erased_ms'")
            self._driver.many(
                "INSERT INTO narthex_cache_facts (name, value) VALUES (?, ?)", [("erased_ms", str(until_ms))]
            )

    def keys(self) -> Iterator[bytes]:
        """Yield the keys of all entries."""
        yield from (bytes(cast("bytes", key)) for (key,) in self._driver.do("SELECT key FROM narthex_cache_entries"))

    def get(self, key: bytes) -> tuple[bytes, int] | None:
        """Return an entry, and the number of the last declaration that lies there."""
        found = self._driver.do(
            "SELECT value, (SELECT MAX(number) FROM narthex_cache_declarations) FROM narthex_cache_entries"
            " WHERE key = ?",
            (key,),
        )
        return (bytes(cast("bytes", found[0][0])), cast("int", found[0][1] or 0)) if found else None

    def write(self, changes: Changes) -> None:
        """Write entries, and take others away."""
        with self._writing():
            if changes.removed:
                self._remove(changes.removed)
            if changes.put:
                self._driver.many(
                    "INSERT INTO narthex_cache_entries (key, scope, value, size, ends_ms, used_ms)"
                    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET scope = excluded.scope,"
                    " value = excluded.value, size = excluded.size, ends_ms = excluded.ends_ms,"
                    " used_ms = excluded.used_ms",
                    [
                        (row.key, row.scope, row.value, len(row.value), row.ends_ms, row.used_ms)
                        for row in sorted(changes.put)
                    ],
                )
            if changes.dictionaries:
                self._driver.many(
                    "INSERT INTO narthex_cache_dictionaries (id, kept_ms, content) VALUES (?, ?, ?)"
                    " ON CONFLICT (id) DO UPDATE SET kept_ms = excluded.kept_ms",
                    sorted(changes.dictionaries),
                )
            if changes.used:
                used = sorted(changes.used, key=itemgetter(1))
                self._driver.many("UPDATE narthex_cache_entries SET used_ms = ? WHERE key = ?", used)

    def dictionary(self, name: bytes) -> bytes | None:
        """Return the content of a dictionary by its ID."""
        found = self._driver.do("SELECT content FROM narthex_cache_dictionaries WHERE id = ?", (name,))
        return bytes(cast("bytes", found[0][0])) if found else None

    def forget_dictionaries(self, before_ms: int) -> None:
        """Take away the dictionaries that were last written before a time."""
        with self._writing():
            self._forget_dictionaries(before_ms)

    def _forget_dictionaries(self, before_ms: int) -> None:
        self._driver.do("DELETE FROM narthex_cache_dictionaries WHERE kept_ms < ?", (before_ms,))

    def clear(self, scope: str | None) -> None:
        """Take away all entries, or those of a scope."""
        with self._writing():
            if scope is None:
                self._driver.do("DELETE FROM narthex_cache_entries")
            else:
                self._driver.do("DELETE FROM narthex_cache_entries WHERE scope = ?", (scope,))

    def page(self, after: bytes) -> list[tuple[bytes, bytes]]:
        """Return the keys and values of some entries, in the order of the keys."""
        found = self._driver.do(
            "SELECT key, value FROM narthex_cache_entries WHERE key > ? ORDER BY key LIMIT ?", (after, PAGE)
        )
        return [(bytes(cast("bytes", key)), bytes(cast("bytes", value))) for key, value in found]

    def keep_within(self, max_bytes: int, now_ms: int) -> tuple[Held, int]:
        """Take away what has ended, and what was used least lately where there is too much.

        Returns what is left, and how many had to go as there was no room.
        """
        gone = 0
        with self._writing():
            self._driver.do("DELETE FROM narthex_cache_entries WHERE ends_ms <= ?", (now_ms,))
            self._forget_dictionaries(now_ms - DICTIONARY_LIFE_MS)
            held = self._held()
            while held.bytes > max_bytes:
                # A tenth more than is needed, so that it is not done again at once.
                keys = self._oldest(held.bytes - max_bytes + max_bytes // 10)
                self._remove(keys)
                gone += len(keys)
                held = self._held()
        return held, gone

    def _oldest(self, size: int) -> list[bytes]:
        keys: list[bytes] = []
        found = self._driver.do("SELECT key, size FROM narthex_cache_entries ORDER BY used_ms LIMIT ?", (PAGE,))
        for key, each in found:
            keys.append(bytes(cast("bytes", key)))
            size -= cast("int", each)
            if size <= 0:
                break
        return keys

    def _held(self) -> Held:
        ((size, count),) = self._driver.do("SELECT COALESCE(SUM(size), 0), COUNT(*) FROM narthex_cache_entries")
        return Held(int(cast("int", size)), cast("int", count))

    def _remove(self, keys: Sequence[bytes]) -> None:
        self._driver.many("DELETE FROM narthex_cache_entries WHERE key = ?", [(key,) for key in sorted(keys)])

    # -- declarations ----------------------------------------------------------------------------------------------

    def declare(self, said: Sequence[bytes], *, known: int, now_us: int, everything: bytes) -> None:
        """Number declarations and write them.

        Args:
            said: The declarations.
            known: The last number that is known here; one that is not there was lost.
            now_us: The time, in microseconds: numbers rise with it.
            everything: The declaration that everything is void; written first where the row of numbers begins anew.
        """
        with self._writing(numbering=True):
            ((found,),) = self._driver.do("SELECT MAX(number) FROM narthex_cache_declarations")
            last = cast("int", found or 0)
            begins = not last or last < known
            for one in ([everything] if begins else []) + list(said):
                number = max(last + 1, known + 1, now_us)
                self._driver.do(
                    "INSERT INTO narthex_cache_declarations (number, previous, said) VALUES (?, ?, ?)",
                    (number, last, one),
                )
                last = number
            self._driver.do(
                "DELETE FROM narthex_cache_declarations WHERE number <= (SELECT number FROM"
                " narthex_cache_declarations ORDER BY number DESC LIMIT 1 OFFSET ?)",
                (MAX_DECLARATIONS,),
            )

    def declared(self, after: int) -> list[Said]:
        """Return what was declared after a number, in the order of the numbers."""
        found = self._driver.do(
            "SELECT number, previous, said FROM narthex_cache_declarations WHERE number > ? ORDER BY number", (after,)
        )
        return [Said(cast("int", one), cast("int", two), bytes(cast("bytes", said))) for one, two, said in found]

    # -- all of it -------------------------------------------------------------------------------------------------

    def tidy(self) -> None:
        """Leave nothing behind of what was removed."""
        self._driver.tidy()

    def close(self) -> None:
        """Close the connection."""
        self._driver.close()

    @contextmanager
    def _writing(self, *, numbering: bool = False) -> Iterator[None]:
        self._driver.begin(numbering=numbering)
        try:
            yield
        except BaseException:
            self._driver.do("ROLLBACK")
            raise
        self._driver.do("COMMIT")
