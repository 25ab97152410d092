"""The steps from one schema to the next, done and written by Alembic."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.config import Config
from alembic.operations.ops import UpgradeOps
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from narthex.stores.database.migrations import VERSIONS
from narthex.stores.database.schema import metadata

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alembic.runtime.migration import MigrationStep
    from sqlalchemy import Connection


def scripts() -> ScriptDirectory:
    """Return the steps."""
    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    config.set_main_option("version_locations", str(VERSIONS))
    config.set_main_option("path_separator", "newline")
    return ScriptDirectory.from_config(config)


def upgrade(connection: Connection, to: str = "head") -> None:
    """Do all steps that are due, within the transaction that the connection is in."""
    steps = scripts()

    def due(version: str | tuple[str, ...], _: MigrationContext) -> Iterable[MigrationStep]:
        # A private name, and the one that Alembic's own `upgrade` command calls:
        # https://github.com/sqlalchemy/alembic/blob/main/alembic/command.py
        return steps._upgrade_revs(to, cast("str", version))  # noqa: SLF001

    with EnvironmentContext(Config(), steps, fn=due, destination_rev=to) as environment:
        environment.configure(
            connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True
        )
        with environment.begin_transaction():
            environment.run_migrations()


def difference(connection: Connection) -> str:
    """Return the code of a step from the tables that there are to those of `schema`; empty if it has nothing to do."""
    context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
    operations = produce_migrations(context, metadata).upgrade_ops
    assert isinstance(operations, UpgradeOps)
    return "" if operations.is_empty() else render_python_code(operations, render_as_batch=True)
