"""What calls leave behind is written, sooner or later."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import cast

import pytest

from narthex.audit.records import Actor
from narthex.errors import StoreUnreachable
from narthex.stores.database import Database
from narthex.tenancy import clerk as module
from narthex.tenancy.clerk import Clerk
from narthex.tenancy.denials import Denial, Denials
from narthex.tenancy.issuing import key
from narthex.tenancy.sightings import Sightings
from tests.tenancy.towns import Town, WrittenDown


class _Flaky:
    """A database that is away now and then."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_away = False
        self.writes = 0

    def write_now(self, work: Callable[..., object]) -> object:
        """Write, or not."""
        self.writes += 1
        if self.is_away:
            raise StoreUnreachable
        return self._database.write_now(work)


class _Office:
    """A clerk with keys to look after."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.flaky = _Flaky(database)
        self.audit = WrittenDown()
        self.sightings, self.denials = Sightings(), Denials(self.audit)
        town = Town(database)
        where = town.workspace(town.organisation())
        self.keys = [town.key(where)[1].id for _ in range(3)]
        flaky = cast("Database", self.flaky)
        self.clerk = Clerk(flaky, self.audit, sightings=self.sightings, denials=self.denials)

    @property
    def unused(self) -> int:
        """How many keys nobody used, as far as that is written."""
        told = [self._database.read_now(lambda one, name=name: key(one, name)) for name in self.keys]  # type: ignore[misc]
        return sum(one.last_used_at is None for one in told)


@pytest.fixture
def office(database: Database) -> _Office:
    """A clerk that has not begun."""
    return _Office(database)


def test_uses_are_written_every_few_seconds(office: _Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without anybody asking for it; where nothing was used nothing is written."""
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    office.clerk.start()
    office.sightings.saw(office.keys[0], None)
    deadline = time.monotonic() + 10
    while office.unused == 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    writes = office.flaky.writes
    time.sleep(0.1)
    assert office.flaky.writes == writes
    office.clerk.close()


def test_what_is_left_is_written_at_the_end(office: _Office) -> None:
    """Uses, and how often somebody was refused."""
    denial = Denial(action="permission.denied", actor=Actor("key", "k"))
    office.clerk.start()
    for _ in range(3):
        office.sightings.saw(office.keys[0], None)
        office.denials.note(denial)
    office.clerk.close()
    assert office.unused == 2
    assert office.audit.actions == ["permission.denied", "key.first_use", "permission.denied"]


def test_keys_are_written_in_groups(office: _Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no other writer waits for long."""
    monkeypatch.setattr(module, "_GROUP", 2)
    for one in office.keys:
        office.sightings.saw(one, None)
    office.clerk.write()
    assert (office.unused, office.flaky.writes) == (0, 2)


def test_what_cannot_be_written_now_is_written_later(
    office: _Office, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said once; of too many addresses only the keys are kept."""
    monkeypatch.setattr(module, "MOST_ADDRESSES", 2)
    office.flaky.is_away = True
    for number, one in enumerate(office.keys):
        office.sightings.saw(one, (f"192.0.2.{number}", 1))
        office.clerk.write()
    assert (office.unused, caplog.text.count("cannot be written now")) == (3, 1)
    office.flaky.is_away = False
    office.clerk.write()
    assert office.unused == 0
    assert [fields["address"] for _, fields in office.audit.rows] == ["", "", ""]


def test_what_is_never_written_is_told(office: _Office, caplog: pytest.LogCaptureFixture) -> None:
    """At the end, with how many keys it is about."""
    office.flaky.is_away = True
    office.clerk.start()
    office.sightings.saw(office.keys[0], None)
    with caplog.at_level(logging.ERROR):
        office.clerk.close()
    assert "of 1 keys" in caplog.text
