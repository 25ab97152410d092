"""Limits, accounts and clocks for tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from narthex.ledger.limits.further import Wants
from narthex.ledger.limits.uses import Amounts, place_of
from narthex.types.accounts import Account
from narthex.types.limits import Limit, Measure, Period, SubjectKind

ACCOUNT = Account(
    organisation_id="org_1", workspace_id="ws_1", user_id="usr_1", key_id="key_1", tags=(("team", "red"),)
)
NOON = 1_790_596_800.0
"""2026-09-28 12:00:00 UTC, a Monday."""


def limit(**given: Any) -> Limit:
    """Return a limit: ten requests a minute for the key, but for what is given."""
    fields: dict[str, Any] = {
        "id": "lim_1",
        "subject_kind": "key",
        "subject": "key_1",
        "measure": "requests",
        "amount": 10,
        "period": "minute",
    } | given
    for name, kind in (("subject_kind", SubjectKind), ("measure", Measure), ("period", Period)):
        fields[name] = kind(fields[name])
    return Limit(**fields)


def used_of(limits: Iterable[Limit], amounts: Amounts) -> Wants:
    """Return what a call of the account used of limits, none of which is counted separately."""
    return tuple((one, "", amounts[place_of(one)]) for one in limits)


class Hands:
    """Two clocks that are moved by hand: the wall's, which may be set, and one that only goes forth."""

    def __init__(self, wall: float = NOON) -> None:
        self.wall_s = wall
        self.steady_s = 1_000.0

    def wall(self) -> float:
        """Return the time on the wall."""
        return self.wall_s

    def steady(self) -> float:
        """Return the time that is never set."""
        return self.steady_s

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.wall_s += seconds
        self.steady_s += seconds
