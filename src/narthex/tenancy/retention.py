"""Removes what has been kept for as long as it should be: once a day, in small transactions, a class of data each."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, delete, or_, select

from narthex.audit import Actor, Audit
from narthex.audit.checkpoints import Checkpoints, take
from narthex.audit.pruning import prune
from narthex.config.audit_settings import RetentionSettings
from narthex.errors import NarthexError
from narthex.stores.database.schema import alerts, api_keys, invitations, ledger_entries, sessions, workspaces
from narthex.telemetry.redaction import drop_before, drop_of_workspaces
from narthex.tenancy.acting import Acting
from narthex.tenancy.changes import prune_changes
from narthex.types.accounts import DEFAULT_WORKSPACE
from narthex.types.ids import files_of

if TYPE_CHECKING:
    from narthex.stores.database import Database
    from narthex.stores.sealing import Sealer

logger = logging.getLogger(__name__)

_DAY_S: Final = 86_400
_GROUP: Final = 5_000
_HOUR_S: Final = 3_600
_ROUNDS: Final = 24
"""Hours from one sweep to the next; what is only for other processes goes every hour."""
_FIRST_S: Final = 60.0
"""How long after its start a server sweeps for the first time."""


class _Class(NamedTuple):
    """A class of data: the rows of a table that are to go."""

    name: str
    key: Column[str]
    due: ColumnElement[bool]
    change: str = ""
    """What is told to processes that hold them in memory."""


class Kept(NamedTuple):
    """Where data is kept."""

    database: Database
    sealer: Sealer
    audit: Audit
    checkpoints: Checkpoints
    data_dir: Path
    default_owners: Sequence[str] = ()
    """To whom belongs what is kept for the default workspace, beside itself: keys of the configuration."""


def sweep(kept: Kept, settings: RetentionSettings, *, now_s: float) -> dict[str, int]:
    """Remove everything that is due; return how much of each class went.

    Args:
        kept: Where it is.
        settings: How long each class is kept.
        now_s: Unix time in seconds.

    Raises:
        StoreUnavailable: The database or a folder cannot be used.
    """
    went = {one.name: _remove(kept, one, now_s) for one in _classes(settings, now_s)}
    if settings.requests_days is not None:
        went["requests"] = drop_before(kept.data_dir / "logs", now_s - settings.requests_days * _DAY_S)
    if settings.recordings_days is not None:
        went["recordings"] = _drop_files(kept.data_dir / "recordings", now_s - settings.recordings_days * _DAY_S)
    for name, count in _sweep_workspaces(kept, now_s).items():
        went[name] = went.get(name, 0) + count
    if settings.audit_days is not None:
        before, at = _ms(now_s, settings.audit_days), int(now_s * 1_000)
        # What goes is covered by a checkpoint first.
        take(kept.database, kept.sealer, kept.checkpoints, at=at)
        went["audit"] = prune(kept.database, kept.sealer, kept.audit, kept.checkpoints, before=before, at=at)
    return {name: count for name, count in went.items() if count}


def _sweep_workspaces(kept: Kept, now_s: float) -> dict[str, int]:
    """Remove what workspaces want to be kept for a shorter time: lines of the request log, and recordings."""
    days = kept.database.read_now(_days_of_workspaces)
    since = {one: now_s - count * _DAY_S for one, count in days.items()}
    recordings = 0
    for workspace_id, began in since.items():
        others = kept.default_owners if workspace_id == DEFAULT_WORKSPACE else ()
        for owner in (f"workspace:{workspace_id}", *others):
            recordings += _drop_files(kept.data_dir / "recordings", began, begin=files_of(owner))
    return {"requests": drop_of_workspaces(kept.data_dir / "logs", since), "recordings": recordings}


def _days_of_workspaces(connection: Connection) -> dict[str, int]:
    rows = connection.execute(select(workspaces.c.id, workspaces.c.settings)).all()
    return {one: days for one, settings in rows if isinstance(days := settings.get("retention_days"), int)}


def _classes(settings: RetentionSettings, now_s: float) -> Iterator[_Class]:
    ended = _ms(now_s, settings.sessions_days)
    yield _Class("sessions", sessions.c.id, sessions.c.expires_at < ended)
    yield _Class("invitations", invitations.c.id, invitations.c.expires_at < ended)
    if settings.ledger_days is not None:
        yield _Class("ledger", ledger_entries.c.id, ledger_entries.c.at < _ms(now_s, settings.ledger_days))
    if settings.alerts_days is not None:
        yield _Class("alerts", alerts.c.id, alerts.c.at < _ms(now_s, settings.alerts_days))
    if settings.keys_days is not None:
        since = _ms(now_s, settings.keys_days)
        ended_keys = or_(api_keys.c.revoked_at < since, api_keys.c.expires_at < since)
        yield _Class("keys", api_keys.c.id, ended_keys, "key")


def _remove(kept: Kept, one: _Class, now_s: float) -> int:
    """Remove rows in groups, so that no other writer waits for long."""
    acting = Acting(actor=Actor("system", "retention"), audit=kept.audit, now=int(now_s * 1_000))
    some = select(one.key).where(one.due).limit(_GROUP)

    def group(connection: Connection) -> int:
        names = connection.scalars(some).all()
        if not names:
            return 0
        if one.change:
            # Processes hold them in memory.
            acting.changed(connection, one.change, *names)
        return connection.execute(delete(one.key.table).where(one.key.in_(names))).rowcount

    count = 0
    while gone := kept.database.write_now(group):
        count += gone
    return count


def _drop_files(folder: Path, since_s: float, *, begin: str = "") -> int:
    count = 0
    for path in folder.glob(f"{begin}*") if folder.is_dir() else ():
        if path.is_file() and path.stat().st_mtime < since_s:
            path.unlink(missing_ok=True)
            count += 1
    return count


def _ms(now_s: float, days: int) -> int:
    return int((now_s - days * _DAY_S) * 1_000)


class Sweeper:
    """Sweeps a minute after the start of a server, and then once a day."""

    def __init__(self, kept: Kept, settings: RetentionSettings) -> None:
        """Take what is swept, and how long each class is kept."""
        self._kept, self._settings = kept, settings
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; what is under way comes to its end first."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        pause_s = _FIRST_S
        for hour in itertools.count():
            if self._stopping.wait(pause_s):
                return
            pause_s = _HOUR_S
            self._forget_changes()
            if hour % _ROUNDS == 0:
                self._sweep()

    def _forget_changes(self) -> None:
        """Let go of the changes that every process has read by now."""
        before = int((time.time() - _HOUR_S) * 1_000)
        try:
            self._kept.database.write_now(lambda connection: prune_changes(connection, before=before))
        except NarthexError as error:
            logger.error("changes that all have read were not removed: %s", error)  # noqa: TRY400 - the line says it
        except Exception:
            # The edge of this thread, as below.
            logger.exception("changes that all have read were not removed")

    def _sweep(self) -> None:
        try:
            went = sweep(self._kept, self._settings, now_s=time.time())
        except (NarthexError, OSError) as error:
            logger.error("not everything that is too old was removed: %s", error)  # noqa: TRY400 - the line says it
        except Exception:
            # The edge of this thread: whatever it is, it is tried again the next day.
            logger.exception("not everything that is too old was removed")
        else:
            logger.info("removed what is too old: %s", went or "nothing was")
