"""Persons stand in the audit log under pseudonyms, so that one can be erased and the chain stays whole.

A pseudonym is a keyed hash: the same for the same person, and nothing that can be traced back without the key. Who is
behind it stands sealed in the table `persons`, and is gone from there once erased. IDs of users are pseudonyms already.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple, cast

from sqlalchemy import Connection, insert, select

from narthex.audit.levels import Level
from narthex.audit.records import Entry, Event
from narthex.stores.database.erasures import ErasedNames, read_erased
from narthex.stores.database.schema import persons
from narthex.stores.sealing import Sealer

Kind = Literal["email", "name", "address", "account", "agent"]

_EMAIL: Final = re.compile(r"[^\s@<>\"',;:()\[\]]{1,64}@[^\s@<>\"',;:()\[\]]{1,255}")
_NAMED: Final[Mapping[str, Kind]] = {
    "email": "email",
    "user_name": "name",
    "address": "address",
    "agent": "agent",
    "subject": "account",
    "end_user": "account",
}
"""Details that are about a person, whatever was done."""
_ABOUT_PEOPLE: Final = ("user.", "member.", "invitation.", "session.", "sso.", "privacy.", "key.")
"""A key is often named after whoever has it."""
_MOST_TEXT: Final = 2_000
_DEEPEST: Final = 6
_SAFE: Final = 2**53 - 1
"""The largest whole number that JSON carries everywhere."""


class _Met(NamedTuple):
    who: str
    at: int
    by: str


class Pseudonyms:
    """Gives pseudonyms, and collects who is behind them."""

    def __init__(self, sealer: Sealer) -> None:
        """Take what they are made and sealed with."""
        self._key = sealer.mac_key("audit pseudonyms")
        self._sealer = sealer
        self._met: dict[str, _Met] = {}

    def of(
        self, kind: Kind, who: str, *, organisation_id: str = "", at: int = 0, by: str = "", kept: bool = True
    ) -> str:
        """Return the pseudonym of somebody.

        Args:
            kind: What they are known by.
            who: The address, name or the like.
            organisation_id: In which organisation: nobody finds out there who is known elsewhere, or erases them there.
            at: When they were met, in Unix time in milliseconds.
            by: Whose it is: the same network address under two users has two pseudonyms.
            kept: Whether it may be told later who is behind it.
        """
        who = who.lower() if kind == "email" else who
        where = f"{organisation_id}/{by}" if organisation_id else by
        digest = hmac.digest(self._key, f"{kind}\0{where}\0{who}".encode("utf-8", "replace"), "sha256")
        pseudonym = f"per_{base64.b32encode(digest[:10]).decode().lower()}"
        if kept:
            self._met[pseudonym] = _Met(who, at, by)
        return pseudonym

    def keep(self, connection: Connection) -> None:
        """Write who is behind the pseudonyms given since; who was erased stays so."""
        if not self._met:
            return
        known = connection.scalars(select(persons.c.pseudonym).where(persons.c.pseudonym.in_(self._met))).all()
        gone = self._gone(connection)
        rows = [
            {
                "pseudonym": name,
                "identity_sealed": self._sealer.seal(one.who.encode("utf-8", "replace"), binding=f"persons:{name}"),
                "created_at": one.at,
            }
            for name, one in self._met.items()
            if name not in known and one.by not in gone
        ]
        if rows:
            connection.execute(insert(persons), rows)
        self._met = {}

    def _gone(self, connection: Connection) -> set[str]:
        """Return those of whom something was met, and who were erased before that was written."""
        names = ErasedNames(self._sealer)
        marks = {names.mark("actor", one.by): one.by for one in self._met.values() if one.by}
        return {marks[one.mark] for one in read_erased(connection, marks)} if marks else set()


class Drafting:
    """Makes rows of events, in which no person stands by name."""

    def __init__(self, sealer: Sealer | None, level: Level) -> None:
        """Take what pseudonyms are made with, and how much is written."""
        self._sealer = sealer
        self._level: Level = level
        self._pseudonyms: Pseudonyms | None = None

    def entry(self, event: Event, seq: int) -> Entry:
        """Return the row of an event."""
        actor = self._actor(event)
        return Entry(
            seq=seq,
            at=event.at,
            actor=actor,
            action=event.action[:64],
            target=self._text(event.target, event)[:200],
            organisation_id=_clean(event.organisation_id)[:64],
            workspace_id=_clean(event.workspace_id)[:64],
            outcome=event.outcome,
            address=self._address(event, actor),
            request_id=self._text(event.request_id, event)[:64],
            details=cast("dict[str, object]", self._value(event.details, event, _DEEPEST)),
        )

    def keep(self, connection: Connection) -> None:
        """Write who is behind the pseudonyms that were given."""
        if self._pseudonyms is not None:
            self._pseudonyms.keep(connection)

    def _made(self) -> Pseudonyms:
        if self._pseudonyms is None:
            # Without keys nothing personal can be written, and no row is written in plain instead.
            self._pseudonyms = Pseudonyms(self._sealer if self._sealer is not None else _no_sealer())
        return self._pseudonyms

    def _actor(self, event: Event) -> str:
        kind, name = event.actor.kind, event.actor.id
        if kind in {"user", "key"}:
            return self._text(name or kind, event)[:64]
        if kind == "cli" and name not in {"", "cli"}:
            return f"cli:{self._of('account', name, event)}"
        return kind if name in {"", kind} else _clean(f"{kind}:{name}")[:64]

    def _address(self, event: Event, actor: str) -> str:
        if not event.address or self._level == "minimal":
            return ""
        return self._met_at(event.address, event, actor, kept=self._level == "detailed")

    def _value(self, value: object, event: Event, deep: int, name: str = "") -> object:
        match value:
            case bool() | None:
                return value
            case int() if -_SAFE <= value <= _SAFE:
                return value
            case Mapping() if deep:
                items = cast("Mapping[object, object]", value).items()
                return {_name(key): self._value(inner, event, deep - 1, str(key)) for key, inner in items}
            case Sequence() | set() | frozenset() if deep and not isinstance(value, str | bytes):
                inner_values = sorted(value, key=str) if isinstance(value, set | frozenset) else value
                return [self._value(inner, event, deep - 1, name) for inner in cast("Sequence[object]", inner_values)]
            case _:
                return self._said(str(value), event, name)

    def _said(self, text: str, event: Event, name: str) -> str:
        kind = _NAMED.get(name)
        if kind is None and name == "name" and event.action.startswith(_ABOUT_PEOPLE):
            kind = "name"
        if kind is None or not text:
            return self._text(text, event)
        if kind == "address":
            return self._met_at(text[:_MOST_TEXT], event, self._actor(event), kept=True)
        return self._of(kind, text[:_MOST_TEXT], event)

    def _text(self, text: str, event: Event) -> str:
        text = _clean(text[:_MOST_TEXT])
        if "@" not in text:
            return text
        return _EMAIL.sub(lambda found: self._of("email", found[0], event), text)

    def _of(self, kind: Kind, who: str, event: Event) -> str:
        return self._made().of(kind, who, organisation_id=event.organisation_id, at=event.at)

    def _met_at(self, address: str, event: Event, actor: str, *, kept: bool) -> str:
        # IDs of users and keys are of one organisation; everybody else is somebody else in each.
        where = "" if event.actor.kind in {"user", "key"} else event.organisation_id
        return self._made().of("address", address, organisation_id=where, at=event.at, by=actor, kept=kept)


def _no_sealer() -> Sealer:
    from narthex.errors import MasterKeyUnusable  # noqa: PLC0415 - the one place that is hardly ever reached

    raise MasterKeyUnusable("the audit log has not been opened yet")


def _clean(text: str) -> str:
    """Return a text without what a database or UTF-8 does not carry."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _name(key: object) -> str:
    """Return the name of a detail in ASCII, in which the canonical form sorts as everybody does."""
    return str(key)[:100].encode("ascii", "backslashreplace").decode().replace("\0", "")
