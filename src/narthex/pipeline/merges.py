"""Which calls are for several models at once, and what is to become of their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from narthex.config.merge_settings import meant
from narthex.config.settings import Settings
from narthex.errors import InvalidRequest
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.outbound import with_member
from narthex.types.dialects import Dialect, Operation
from narthex.types.merging import MAX_MERGED, MERGE_MODES, MERGE_PREFIX, MergeMode
from narthex.types.requests import ChatRequest

MAX_NAME: Final = 256
"""Characters of a model's name."""
_MODE: Final = b"x-narthex-merge"
_JUDGE: Final = b"x-narthex-judge"

Check = Callable[[str], object]
"""Looks a model up; raises `ModelNotFound` where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Several models, and how their answers are made one."""

    models: tuple[str, ...]
    mode: MergeMode = "race"
    judge: str | None = None
    criteria: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Merger:
    """What one call asks of several models."""

    mode: MergeMode
    requests: tuple[ChatRequest, ...]
    """One per source, each with its model."""
    bodies: tuple[bytes, ...] = ()
    """The same as received; none where one body stands for all."""
    judge: str | None = None
    criteria: str | None = None
    wrapped: bool = False
    """Whether every event is told with its source around it, in place of one answer of the caller's dialect."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The models, by the names they were asked for."""
        return tuple(request.model for request in self.requests)


class Merges:
    """The names that stand for several models: those of the configuration, and lists in the name itself."""

    def __init__(self, recipes: Mapping[str, Recipe] | None = None) -> None:
        self.recipes = dict(recipes or {})

    def adopt(self, other: Merges) -> None:
        """Know the other's names from now on."""
        self.recipes = other.recipes

    def __contains__(self, model: str) -> bool:
        return model.startswith(MERGE_PREFIX) or model in self.recipes

    def recipe(self, model: str) -> Recipe:
        """Return what such a name stands for.

        Raises:
            InvalidRequest: It lists more models than one call may be for.
        """
        return self.recipes.get(model) or listed(model)

    def merger(self, exchange: Exchange) -> Merger:
        """Return what a call for such a name asks for.

        Raises:
            InvalidRequest: It cannot be served so; the message names the remedy.
        """
        if exchange.operation is not Operation.CHAT:
            raise chats_only()
        recipe = self._recipe(exchange)
        if not exchange.model_asked and exchange.body:
            # No dialect is read without one; the body is told nobody.
            exchange.body = with_member(exchange.body, "model", recipe.models[0])
        request = exchange.chat_request()
        merger = Merger(
            mode=recipe.mode,
            requests=tuple(msgspec.structs.replace(request, model=name) for name in recipe.models),
            judge=recipe.judge,
            criteria=recipe.criteria,
        )
        if merger.mode == "interleave" and exchange.dialect is not Dialect.OPENAI_CHAT:
            raise InvalidRequest(
                "an answer in this dialect has one choice, so answers cannot be interleaved in it; use "
                "/v1/chat/completions or POST /v1/streams/merge, or the mode `race`, `sequence` or `best_of`",
                param="x-narthex-merge",
            )
        return merger

    def check(self, merger: Merger, check: Check) -> None:
        """Look at what a call asks for before anybody is asked.

        Raises:
            InvalidRequest: There are too few models or too many, or what is asked for contradicts itself.
            ModelNotFound: One of them is not there.
        """
        if not 2 <= len(merger.requests) <= MAX_MERGED:
            raise _miscounted(len(merger.requests))
        if any(request.n not in {None, 1} for request in merger.requests):
            raise InvalidRequest("each of several models is asked for one answer; remove `n`", param="n")
        if merger.mode == "best_of" and merger.judge is None:
            raise InvalidRequest(
                "somebody has to choose the best answer: name a model in the header `x-narthex-judge` (or in `judge`)",
                param="x-narthex-judge",
            )
        judges = () if merger.judge is None else (merger.judge,)
        for name in (*merger.sources, *judges):
            self._check_name(name)
            check(name)

    def _check_name(self, name: str) -> None:
        if not name or len(name) > MAX_NAME or not name.isascii() or not name.isprintable():
            raise InvalidRequest(f"{name[:80]!r} is no name of a model", param="model")
        if name in self:
            raise InvalidRequest(f"{name[:80]!r} stands for several models itself; name each of them", param="model")

    def _recipe(self, exchange: Exchange) -> Recipe:
        """Return the models and the mode: of the configuration, or as the call itself says."""
        asked, headers = exchange.model_asked, exchange.headers
        recipe = self.recipe(asked)
        mode = headers.get(_MODE)
        judge = headers.get(_JUDGE)
        return Recipe(
            models=recipe.models,
            mode=recipe.mode if mode is None else read_mode(mode.decode("latin-1").strip()),
            judge=recipe.judge if judge is None else judge.decode("latin-1").strip(),
            criteria=recipe.criteria,
        )


def chats_only() -> InvalidRequest:
    """Return the error of a call for several models that is no chat."""
    return InvalidRequest("several models at once answer chats only; name one model", param="model")


def listed(name: str) -> Recipe:
    """Return the models that a name lists.

    Raises:
        InvalidRequest: They are more than one call may be for.
    """
    count = name.count(",") + 1
    if count > MAX_MERGED:
        raise _miscounted(count)
    return Recipe(models=tuple(one.strip() for one in name.removeprefix(MERGE_PREFIX).split(",")))


def _miscounted(count: int) -> InvalidRequest:
    return InvalidRequest(f"{count} models: name 2 to {MAX_MERGED}", param="model")


def read_mode(word: str) -> MergeMode:
    """Return the mode that a caller names.

    Raises:
        InvalidRequest: There is no such mode.
    """
    if word not in MERGE_MODES:
        words = ", ".join(f"`{mode}`" for mode in MERGE_MODES)
        raise InvalidRequest(f"there is no mode {word[:80]!r}; choose one of {words}", param="x-narthex-merge")
    return word


def configured_merges(settings: Settings) -> Merges:
    """Return the names that the configuration tells, aliases and the empty name of the default model among them."""
    recipes = {name: Recipe(**one.model_dump()) for name, one in settings.merges.items()}
    others = {alias: meant(alias, settings.aliases) for alias in settings.aliases}
    others[""] = meant(settings.default_model, settings.aliases)
    return Merges(recipes | {name: recipes[end] for name, end in others.items() if end in recipes})
