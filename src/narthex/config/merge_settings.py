"""The options of merges: plain names for several models whose answers are made one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Annotated

from pydantic import Field

from narthex.config.sections import Section
from narthex.types.merging import MAX_MERGED, MERGE_PREFIX, MergeMode


class MergeSettings(Section):
    """Several models that are asked at once, or one after the other, and whose answers are made one."""

    models: Annotated[tuple[str, ...], Field(min_length=2, max_length=MAX_MERGED)] = Field(
        description="Models, aliases or virtual models, two to eight."
    )
    mode: MergeMode = Field(default="race", description="How their answers are made one.")
    judge: str | None = Field(default=None, description='Who chooses among whole answers; of `"best_of"`.')
    criteria: str | None = Field(
        default=None, min_length=1, max_length=4_096, description="What the judge is to look for, in plain words."
    )


Unknown = Callable[[str], str | None]
"""Tells why a name leads to no model; None if it leads to one."""


def meant(name: str, aliases: Mapping[str, str]) -> str:
    """Return what a name stands for: an alias is followed to its end."""
    seen = {name}
    while (following := aliases.get(name)) is not None and following not in seen:
        seen.add(following)
        name = following
    return name


def merge_problems(
    merges: Mapping[str, MergeSettings], *, taken: Collection[str], unknown: Unknown
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield what cannot hold in merges: where it stands, and why, with the remedy.

    Args:
        merges: By their names.
        taken: Names of providers, aliases and virtual models.
        unknown: Why a name that is none of a merge leads to no model.
    """
    for name, merge in merges.items():
        path = ("merges", name)
        if name in taken:
            yield path, "a provider, an alias or a virtual model has that name; choose another"
        for index, model in enumerate(merge.models):
            yield from _member((*path, "models", index), model, merges, unknown)
        if merge.judge is not None and merge.mode == "best_of":
            yield from _member((*path, "judge"), merge.judge, merges, unknown)
        yield from _judged(path, merge)


def _judged(path: tuple[str | int, ...], merge: MergeSettings) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if merge.mode == "best_of":
        if merge.judge is None:
            yield path, "somebody has to choose the best answer; name a model as `judge`"
        return
    for option in ("judge", "criteria"):
        if getattr(merge, option) is not None:
            yield (*path, option), 'only the best of several is chosen; set `mode = "best_of"`, or remove this'


def _member(
    path: tuple[str | int, ...], model: str, merges: Collection[str], unknown: Unknown
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if model in merges or model.startswith(MERGE_PREFIX):
        yield path, f'"{model}" is a merge itself; list its models'
    elif reason := unknown(model):
        yield path, reason
