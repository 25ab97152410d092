"""What is told of the semantic cache."""

from __future__ import annotations

import msgspec


class CategoryReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Questions of one kind, and how often another one's answer served."""

    category: str
    looks: int
    hits: int
    closed: bool
    """Whether too many of its answers were found wrong: none is given before it is reopened."""
    least_probability: float | None
    """How likely it must be that the same answer is wanted; null where it is never likely enough."""
    samples: int | None
    """Answers that were generated as well, and judged; null for whoever does not run this server."""
    wrong: int | None
    highest_error: float | None
    """The share of wrong answers that is exceeded with a probability of 5 % at most."""


class SemanticReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How answers to questions that mean the same do."""

    embedding_model: str
    embedding_off: bool
    """Whether that is left alone for a while, as it was too slow."""
    error_bound: float
    """The largest share of its answers that may be wrong, in each category."""
    questions: int | None
    """That are known; null for whoever does not run this server."""
    bytes: int | None
    waiting_for_judge: int | None
    categories: list[CategoryReport]
