"""Which limits concern a call, and as whose use each counts it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final

import msgspec

from narthex.types.accounts import Account
from narthex.types.limits import EACH, LEVEL_MEASURES, Limit, SubjectKind
from narthex.types.patterns import expression_of

Tags = tuple[tuple[str, str], ...]
_MAX_KINDS: Final = 10_000
"""Of how many kinds of calls it is remembered what was found."""


class Use(msgspec.Struct, frozen=True, gc=False):
    """Of whom, and for what, a call is made: as much of it as limits look at."""

    account: Account
    model: str = ""
    model_asked: str = ""
    end_user: str = ""
    tags: Tags = ()


class Matching:
    """The limits in force."""

    def __init__(self, limits: Iterable[Limit] = ()) -> None:
        in_force = [limit for limit in limits if limit.enabled]
        self.limits = tuple(limit for limit in in_force if limit.measure not in LEVEL_MEASURES)
        """Those of calls."""
        self.levels = tuple(limit for limit in in_force if limit.measure in LEVEL_MEASURES)
        kinds = {limit.subject_kind for limit in self.limits}
        self.by_model = SubjectKind.MODEL in kinds
        """Whether any looks at models."""
        self.by_tag = SubjectKind.TAG in kinds
        self.by_end_user = SubjectKind.END_USER in kinds
        self.by_use = self.by_model or self.by_tag or self.by_end_user
        """Whether any looks at more than the account."""
        self._found: dict[Use, tuple[tuple[Limit, str], ...]] = {}

    def of(self, use: Use) -> Iterator[tuple[Limit, str]]:
        """Yield the limits that concern a call, each with the value under which it counts it, empty for all."""
        return _matching(self.limits, use)

    def found(self, use: Use) -> tuple[tuple[Limit, str], ...]:
        """Return what `of` yields, which is remembered."""
        if not self.limits:
            return ()
        found = self._found.get(use)
        if found is None:
            if len(self._found) >= _MAX_KINDS:
                self._found.clear()
            found = self._found[use] = tuple(self.of(use))
        return found

    def levels_of(self, account: Account) -> Iterator[Limit]:
        """Yield the limits of what is kept for an account."""
        return (limit for limit, _ in _matching(self.levels, Use(account)))


def _matching(limits: Iterable[Limit], use: Use) -> Iterator[tuple[Limit, str]]:
    account = use.account
    for limit in limits:
        if limit.organisation_id and limit.organisation_id != account.organisation_id:
            continue
        if limit.workspace_id is not None and limit.workspace_id != account.workspace_id:
            continue
        for found in _VALUES[limit.subject_kind](limit, use):
            yield limit, found if limit.is_each else ""


def _named(limit: Limit, name: str) -> tuple[str, ...]:
    return (name,) if name and limit.subject in (name, EACH) else ()


def _tagged(limit: Limit, use: Use) -> tuple[str, ...]:
    name, _, value = limit.subject.partition("=")
    # A call says its own tags after those of its key; the key's hold.
    given = dict((*use.tags, *use.account.tags)).get(name)
    return (given,) if given is not None and value in (given, EACH) else ()


def _modelled(limit: Limit, use: Use) -> tuple[str, ...]:
    if limit.subject == EACH:
        return (use.model,) if use.model else ()
    fits = pattern_of(limit.subject)
    return (limit.subject,) if fits(use.model) or fits(use.model_asked) else ()


@lru_cache(maxsize=1_024)
def pattern_of(subject: str) -> Callable[[str], bool]:
    """Return what tells whether a model's name fits a pattern, in which `*` stands for any characters."""
    fits = re.compile(expression_of(subject)).fullmatch
    return lambda name: fits(name) is not None


_VALUES: dict[SubjectKind, Callable[[Limit, Use], tuple[str, ...]]] = {
    SubjectKind.ORGANISATION: lambda limit, use: _named(limit, use.account.organisation_id),
    SubjectKind.WORKSPACE: lambda limit, use: _named(limit, use.account.workspace_id),
    SubjectKind.MEMBER: lambda limit, use: _named(limit, use.account.user_id),
    SubjectKind.KEY: lambda limit, use: _named(limit, use.account.key_id),
    SubjectKind.MODEL: _modelled,
    SubjectKind.TAG: _tagged,
    SubjectKind.END_USER: lambda limit, use: _named(limit, use.end_user),
}
