"""Both databases for tests: a SQLite file, and a real PostgreSQL that is started once for each process of the suite.

A test that takes `database` runs once with each of them, with a database of its own that has the schema and no rows.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Final, Self

import psycopg
import pytest
from sqlalchemy import Connection, Executable

from narthex.stores.database import Database
from tests.stores.servers import free_port

KINDS: Final = ("sqlite", "postgresql")
TEMPLATE: Final = "with_schema"
_OPTIONS: Final = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=200",
    "shared_buffers=32MB",
    "autovacuum=off",
)
"""It is fast because it keeps nothing: what it holds is gone with the suite."""


def doing(statement: Executable | str, rows: Sequence[Mapping[str, object]] = ()) -> Callable[[Connection], None]:
    """Return a work that executes a statement."""

    def work(connection: Connection) -> None:
        if isinstance(statement, str):
            connection.exec_driver_sql(statement)
        elif rows:
            connection.execute(statement, rows)
        else:
            connection.execute(statement)

    return work


def load_dump(url: str, dump: Path) -> None:
    """Do all statements of a file in an empty database."""
    statements = dump.read_text(encoding="utf-8")
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.executescript(statements)
        return
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(statements.encode())


class PostgresqlServer:
    """A server for this process, on a free port, in a folder of its own."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self.folder = folder
        self.port = free_port()
        self._names = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, name: str) -> str:
        """Return the address of a database."""
        return f"postgresql://narthex@127.0.0.1:{self.port}/{name}"

    def make(self) -> None:
        """Make what the server keeps, with nothing in it."""
        user = _other_user()
        if user is not None:
            shutil.chown(self.folder, user)
        options = ("--no-sync", "--auth=trust", "--username=narthex", "--encoding=UTF8", "--no-locale")
        made = [str(self._programs / "initdb"), "--pgdata", str(self.folder / "data"), *options]
        ran = subprocess.run(made, user=user, cwd=self.folder, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = [word for option in _OPTIONS for word in ("-c", option)]
        where = ["-D", str(self.folder / "data"), "-p", str(self.port), "-h", "127.0.0.1", "-k", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), *where, *settings],
                user=_other_user(),
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        for _ in range(1_000):
            with suppress(psycopg.OperationalError):
                return self.do("SELECT 1")
            assert self._process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.02)
        raise AssertionError("postgres did not start")

    def stop(self) -> None:
        """End it, with all its connections."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
            self._process = None

    def do(self, statement: str) -> None:
        """Do something for which no database is needed."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def database(self, *, template: str = "template1") -> Iterator[str]:
        """Make a database while the block lasts, and give its address."""
        name = f"test_{next(self._names)}"
        self.do(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self.do(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def __enter__(self) -> Self:
        """Make and start it."""
        self.make()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.stop()


def _other_user() -> str | None:
    """Return as whom it runs: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def programs() -> Path | None:
    """Return the folder of the newest PostgreSQL, if there is one; Debian keeps it out of the PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    found = shutil.which("initdb")
    if found is not None:
        folders.append(Path(found).resolve().parent)
    return next((folder for folder in reversed(folders) if (folder / "initdb").exists()), None)


def programs_with_vectors() -> Path | None:
    """Return the folder of a PostgreSQL that has pgvector: that of the machine, or the one that comes as a package."""
    found = programs()
    if found is not None and any(Path("/usr/share/postgresql").glob(f"{found.parent.name}/extension/vector.control")):
        return found
    package = importlib.util.find_spec("pgserver")
    folder = None if package is None or package.origin is None else Path(package.origin).parent / "pginstall/bin"
    return folder if folder is not None and (folder / "initdb").exists() else None


def _within_reach(found: Path, folder: Path) -> Path:
    """Return the folder of programs; as another user they may not be to be reached where the packages lie."""
    package = found.parent.parent
    if _other_user() is None or package.name != "pgserver":
        return found
    shutil.copytree(package, folder / "pgserver")
    shutil.copytree(package.with_name("pgserver.libs"), folder / "pgserver.libs")
    return folder / "pgserver" / found.relative_to(package)


@contextmanager
def running_postgresql_with_vectors() -> Iterator[PostgresqlServer]:
    """Run a server that has pgvector while the block lasts; without one the test is skipped."""
    found = programs_with_vectors()
    if found is None:
        pytest.skip("there is no PostgreSQL with pgvector: the package `pgserver` has one for Python up to 3.12")
    with tempfile.TemporaryDirectory(prefix="narthex-pgvector-") as folder:
        Path(folder).chmod(0o755)
        place = Path(folder, "server")
        place.mkdir()
        with PostgresqlServer(_within_reach(found, Path(folder)), place) as it:
            yield it


@contextmanager
def running_postgresql() -> Iterator[PostgresqlServer]:
    """Run a server while the block lasts; without the program the test is skipped."""
    found = programs()
    if found is None:
        pytest.skip("there is no PostgreSQL: sudo apt-get install postgresql")
    # Not in a folder of pytest's: those are closed to the user that it runs as.
    with (
        tempfile.TemporaryDirectory(prefix="narthex-postgresql-") as folder,
        PostgresqlServer(found, Path(folder)) as it,
    ):
        yield it


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A server that all tests of this process share, with a database that has the schema as its template."""
    with running_postgresql() as server:
        server.do(f"CREATE DATABASE {TEMPLATE}")
        Database.open_now(server.url(TEMPLATE), data_dir=server.folder).close_now()
        yield server


@pytest.fixture(scope="session")
def postgresql_with_vectors() -> Iterator[PostgresqlServer]:
    """A server that has pgvector, which all tests of this process share; no database of it has the schema."""
    with running_postgresql_with_vectors() as server:
        yield server


@pytest.fixture
def vectors_url(postgresql_with_vectors: PostgresqlServer) -> Iterator[str]:
    """The address of an empty database that has pgvector at hand."""
    with postgresql_with_vectors.database() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the schema."""
    folder = tmp_path_factory.mktemp("template")
    Database.open_now(None, data_dir=folder).close_now()
    return folder / "main.db"


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each database in turn."""
    return str(request.param)


@pytest.fixture
def empty_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with nothing in it, of each kind in turn."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'main.db'}"
        return
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    with server.database() as url:
        yield url


@pytest.fixture
def database_url(kind: str, new_database_url: Callable[[str], str]) -> str:
    """The address of a database that has the schema and no rows, of each kind in turn."""
    return new_database_url(kind)


@pytest.fixture
def new_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """What makes databases, each with the schema and no rows, and gives their addresses."""
    with ExitStack() as made:
        numbers = itertools.count(1)

        def new(kind: str) -> str:
            if kind == "sqlite":
                file = tmp_path / f"database-{next(numbers)}.db"
                shutil.copy(request.getfixturevalue("sqlite_template"), file)
                return f"sqlite:///{file}"
            server: PostgresqlServer = request.getfixturevalue("postgresql")
            return made.enter_context(server.database(template=TEMPLATE))

        yield new


@pytest.fixture
def database(database_url: str, tmp_path: Path) -> Iterator[Database]:
    """A database that has the schema and no rows, of each kind in turn, open."""
    opened = Database.open_now(database_url, data_dir=tmp_path)
    try:
        yield opened
    finally:
        opened.close_now()
