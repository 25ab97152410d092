"""Patterns of names, in which `*` stands for any characters."""

from __future__ import annotations

import re


def expression_of(pattern: str) -> str:
    """Return the regular expression of a pattern: every other sign is nothing but text."""
    return ".*".join(map(re.escape, pattern.split("*")))
