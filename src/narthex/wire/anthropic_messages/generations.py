"""What a model behind this wire takes, by the version in its name.

https://docs.anthropic.com/en/docs/about-claude/models/migration-guide

| | thinks under | sampling settings |
|---|---|---|
| Claude to 4.5, models of other makers | a budget | taken |
| Claude 4.6 | a budget, or an effort | taken |
| later Claude | an effort | refused |
"""

from __future__ import annotations

import re
from enum import Enum

_VERSION = re.compile(r"claude-(?:[a-z]+-)*(\d+)(?:[-.](\d{1,2})(?!\d))?")


class Generation(Enum):
    """Models that take the same settings."""

    BUDGETS = "budgets"
    BUDGETS_AND_EFFORTS = "budgets and efforts"
    EFFORTS = "efforts"


def generation_of(model: str) -> Generation:
    """Return the generation of a model; Claude without a version is taken for the latest."""
    if "claude" not in model:
        return Generation.BUDGETS
    found = _VERSION.search(model)
    if found is None:
        return Generation.EFFORTS
    version = (int(found[1]), int(found[2] or 0))
    if version <= (4, 5):
        return Generation.BUDGETS
    return Generation.BUDGETS_AND_EFFORTS if version == (4, 6) else Generation.EFFORTS
