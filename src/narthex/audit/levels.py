"""What is written at which level: one table.

| level    | rows                                                                     | addresses            |
|----------|--------------------------------------------------------------------------|----------------------|
| minimal  | every change, sign-in, denial, read of content, act of privacy or audit  | none                 |
| standard | also what the table below calls standard, such as the first use of a key | under a pseudonym    |
| detailed | everything                                                               | to be told by Narthex |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Level = Literal["minimal", "standard", "detailed"]

_RANKS: Final[Mapping[Level, int]] = {"minimal": 0, "standard": 1, "detailed": 2}

FROM: Final[Mapping[str, Level]] = {
    "key.first_use": "standard",
    "session.sign_out": "standard",
    "audit.export": "standard",
    "usage.export": "standard",
    "ledger.export": "standard",
    "key.new_address": "detailed",
    "audit.read": "detailed",
    "content.list": "detailed",
}
"""From which level on an action is written; what is not named here is written always."""


def is_written(action: str, level: Level) -> bool:
    """Return whether an action is written at a level."""
    least: Level = FROM.get(action, "minimal")
    return _RANKS[least] <= _RANKS[level]
