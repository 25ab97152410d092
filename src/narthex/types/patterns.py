"""Patterns of names, in which `*` stands for any characters."""

from __future__ import annotations

import re


def expression_of(pattern: str) -> str:
    """Return the regular expression of a pattern: every other sign is nothing but text.

    To try it takes time in proportion to the lengths of both, whoever wrote the pattern: what stands between two stars
    is looked for once, at the first place where it fits, and never again.
    """
    first, *others = map(re.escape, pattern.split("*"))
    if not others:
        return first
    *between, last = others
    return f"{first}{''.join(f'(?>.*?{text})' for text in between if text)}.*{last}"
