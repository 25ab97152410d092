"""The database: SQLite for one machine, PostgreSQL for many, under the same code and the same tests.

port          `Database`, as the rest of Narthex sees it
contract      what both databases do, each in its own way
addresses     where it is
opening       connects, and brings the schema up to this version
sqlite        one thread that writes, four that read
postgresql    a pool of connections
failures      what a driver says, as an error that names the remedy
slow_queries  which statements take long
schema        every table, in portable types
configured    the one that the settings name
backups       the file of a backup
copying       from a database into a backup, and back
inspection    how it stands, and whether it is whole
migrations    from the schema that a database has to this one

SQLAlchemy is loaded when a database is opened, and not before.
"""

from __future__ import annotations

from narthex.stores.database.contract import DatabaseOptions
from narthex.stores.database.port import Database, exclusively

__all__ = ["Database", "DatabaseOptions", "exclusively"]
