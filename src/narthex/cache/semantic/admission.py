"""Whose entries may serve whom: an attacker's question must not answer anybody else's."""

from __future__ import annotations

from typing import Literal

from narthex.cache.semantic.contract import Question
from narthex.cache.semantic.entries import Entry

Sharing = Literal["own", "sighted", "tenant"]
"""Whose entries serve a principal: only its own; also those that a second principal of the tenant asked word for word;
or all of its tenant."""


def may_serve(entry: Entry, question: Question, sharing: Sharing) -> bool:
    """Tell whether an entry may answer a question.

    Never across tenants, whatever their digests say. What an anonymous caller brought serves nobody until someone who
    is known asks the very same.
    """
    if entry.tenant != question.tenant or entry.scope != question.scope:
        return False
    if entry.principal is not None and entry.principal == question.principal:
        return True
    if sharing == "tenant":
        return entry.principal is not None or entry.is_sighted
    return sharing == "sighted" and entry.is_sighted


def sighted(entry: Entry, principal: str | None) -> bool:
    """Take note that someone asks the very same as an entry: a known one who is not its first vouches for it.

    True where that is news.
    """
    if entry.is_sighted or principal is None or principal == entry.principal:
        return False
    entry.is_sighted = True
    return True
