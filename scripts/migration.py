"""Write the next step of the database's schema: `python -m scripts.migration WORDS`, or `make migration WORDS="…"`.

What `schema.py` says is compared with what the steps make, and the difference becomes a step, to be read and mended by
hand before it is committed. With `--first` the first step is written anew, which may be done until it is released.
Either way a dump of the schema, with a row in each table, goes where tests upgrade from every schema there was.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import JSON, BigInteger, Boolean, Column, Dialect, Integer, LargeBinary, String, Table, create_engine
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from narthex.stores.database.migrations import HEAD, VERSIONS
from narthex.stores.database.migrations.alembic import difference, upgrade
from narthex.stores.database.schema import metadata

RELEASED = Path("tests/stores/database/released")
_STEP = '''\
"""{title}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {before}


def upgrade() -> None:
    """Do this step."""
    {code}
'''


def _dialects() -> dict[str, Dialect]:
    # Untyped in SQLAlchemy.
    return {"sqlite": sqlite.dialect(), "postgresql": postgresql.dialect()}  # type: ignore[no-untyped-call]


def write_step(revision: str, before: str | None, words: str) -> Path | None:
    """Write the step to `revision`; None if there is no difference."""
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{folder}/main.db")
        with engine.begin() as connection:
            if before is not None:
                upgrade(connection, before)
            code = difference(connection)
        engine.dispose()
    if not code:
        return None
    code = re.sub(r"^ *# ###.*\n", "", code, flags=re.MULTILINE).strip()
    title = words[:1].upper() + words[1:]
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    path = VERSIONS / f"v{revision}_{name}.py"
    quoted = "None" if before is None else f'"{before}"'
    path.write_text(_STEP.format(title=title, revision=revision, before=quoted, code=code), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "check", "--fix", "--quiet", str(path)], check=False)
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(path)], check=True)
    return path


def dumps(revision: str) -> Iterator[tuple[Path, str]]:
    """Yield what a database of this schema holds, for each database, with a row in every table, and its file."""
    for name, dialect in _dialects().items():
        lines = ";\n".join(statement.strip() for statement in _dump(dialect, revision))
        yield RELEASED / f"{revision}.{name}.sql", f"{lines};\n"


def _dump(dialect: Dialect, revision: str) -> Iterator[str]:
    yield "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
    yield f"INSERT INTO alembic_version VALUES ('{revision}')"  # noqa: S608 - ours
    for table in metadata.sorted_tables:
        text = str(CreateTable(table).compile(dialect=dialect))
        yield re.sub(r"\s*\n\s*", " ", text)
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield str(CreateIndex(index).compile(dialect=dialect))
    for table in metadata.sorted_tables:
        yield _insert(table, dialect)


def _insert(table: Table, dialect: Dialect) -> str:
    names = ", ".join(dialect.identifier_preparer.quote(column.name) for column in table.columns)
    values = ", ".join(_literal(column, dialect) for column in table.columns)
    return f"INSERT INTO {table.name} ({names}) VALUES ({values})"  # noqa: S608 - ours


def _literal(column: Column[object], dialect: Dialect) -> str:
    """Return a value that is plausible, and the same for a column and for what refers to it."""
    for key in column.foreign_keys:
        return _literal(key.column, dialect)
    match column.type:
        case Boolean():
            return "true" if dialect.name == "postgresql" else "1"
        case Integer() | BigInteger():
            return "1"
        case JSON():
            return f"'{json.dumps({'ü': [1, None]})}'"
        case LargeBinary():
            octets = column.name.encode().hex()
            return f"'\\x{octets}'" if dialect.name == "postgresql" else f"X'{octets}'"
        case String():
            return f"'{f'{column.name} of {column.table.name}'[: column.type.length]}'"
        case other:
            raise AssertionError(other)


def main() -> int:
    """Write the step and the dumps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", default=[], help="what the step does, in a few words")
    parser.add_argument("--first", action="store_true", help="write the first step anew")
    options = parser.parse_args()
    if options.first:
        for old in VERSIONS.glob("v0001_*.py"):
            old.unlink()
        revision, before, words = "0001", None, "the first schema"
    else:
        revision, before, words = f"{int(HEAD) + 1:04}", HEAD, " ".join(options.words)
        if not words:
            parser.error("say in a few words what the step does")
    path = write_step(revision, before, words)
    if path is None:
        print(f"{HEAD} is what schema.py says: there is nothing to write")
        return 0
    for file, text in dumps(revision):
        file.write_text(text, encoding="utf-8")
    print(f"wrote {path} and {RELEASED}/{revision}.*.sql: read the step before you commit it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
