"""The options as data: what may stand at a path, read from the settings themselves."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from narthex.config.origins import KeyPath
from narthex.config.settings import Settings

ANY_NAME = "*"
"""Stands in an option's path for a name that the user gives."""
ANY_ITEM = "#"
"""Stands in an option's path for a position in a list."""

_WITH_REFERENCES = (
    *("api_key", "api_keys", "key", "headers", "base_url", "url"),
    *("client_secret", "master_key", "previous_master_keys"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option, as declared in the settings."""

    path: tuple[str, ...]
    """From the root; `*` for a name, `#` for a list position."""
    field: FieldInfo
    annotation: object
    """Its type without `None`."""
    is_optional: bool

    @property
    def name(self) -> str:
        """The path as written in the reference: `providers.*.base_url`."""
        return ".".join(self.path)

    @property
    def description(self) -> str:
        """What it does, with its unit."""
        return self.field.description or ""

    @property
    def default(self) -> object:
        """Its value where nobody sets it; None also if it must be set."""
        return None if self.is_required else self.field.get_default(call_default_factory=True)

    @property
    def is_required(self) -> bool:
        """Whether its section cannot stand without it."""
        return self.field.default is PydanticUndefined

    @property
    def section(self) -> type[BaseModel] | None:
        """The section that this option opens, itself or through its names or items."""
        return section_in(self.annotation)

    @property
    def is_secret(self) -> bool:
        """Whether its value must never be shown; headers and addresses may carry secrets too."""
        return SecretStr in (self.annotation, *get_args(self.annotation)) or self.path[-1] == "headers"

    @property
    def has_references(self) -> bool:
        """Whether `${NAME}` and `file:/path` are resolved in it."""
        return self.path[-1] in _WITH_REFERENCES

    @property
    def environment_name(self) -> str | None:
        """The variable that sets it; None inside lists, which a variable sets whole."""
        if ANY_ITEM in self.path:
            return None
        words = ("NAME" if part == ANY_NAME else part.upper() for part in self.path)
        return "NARTHEX_" + "__".join(words)


@cache
def options() -> tuple[Option, ...]:
    """Return every option in the order of declaration, a section before what is in it."""
    return tuple(_options_of(Settings, ()))


def _options_of(section: type[BaseModel], path: tuple[str, ...]) -> Iterator[Option]:
    for name, field in section.model_fields.items():
        annotation, is_optional = without_none(field.annotation)
        option = Option(path=(*path, name), field=field, annotation=annotation, is_optional=is_optional)
        yield option
        if option.section is not None:
            yield from _options_of(option.section, (*option.path, *_opening(annotation)))


def _opening(annotation: object) -> tuple[str, ...]:
    if is_table(annotation):
        return (ANY_NAME,)
    return (ANY_ITEM,) if is_list(annotation) else ()


def without_none(annotation: object) -> tuple[object, bool]:
    """Return a type without `None` and without constraints, and whether `None` was allowed."""
    if get_origin(annotation) is Annotated:
        return without_none(get_args(annotation)[0])
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    members = [member for member in get_args(annotation) if member is not types.NoneType]
    return without_none(members[0])[0], True


def is_table(annotation: object) -> bool:
    """Tell whether a type holds values under names that the user gives."""
    return get_origin(annotation) is dict


def is_list(annotation: object) -> bool:
    """Tell whether a type holds values in order."""
    return get_origin(annotation) is tuple


def section_in(annotation: object) -> type[BaseModel] | None:
    """Return the section that a type is, or that its names or items are."""
    if is_table(annotation):
        return section_in(without_none(get_args(annotation)[1])[0])
    if is_list(annotation):
        return section_in(without_none(get_args(annotation)[0])[0])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def annotation_at(path: KeyPath) -> object | None:
    """Return the type of what may stand at a path, without `None`; None if nothing may."""
    annotation: object = Settings
    for part in path:
        below = _below(annotation, part)
        if below is None:
            return None
        annotation = without_none(below)[0]
    return annotation


def _below(annotation: object, part: str | int) -> object | None:
    if annotation is object:
        return object
    if is_table(annotation):
        return _argument(annotation, 1) if isinstance(part, str) else None
    if is_list(annotation):
        return _argument(annotation, 0) if isinstance(part, int) else None
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(part))
        return None if field is None else field.annotation
    return None


def _argument(annotation: object, index: int) -> object:
    argument: object = get_args(annotation)[index]
    return argument


def option_at(path: KeyPath) -> Option | None:
    """Return the declared option that a path belongs to: itself, or the table or list it lies in."""
    pattern = _pattern(path)
    known = _by_path()
    while pattern:
        if pattern in known:
            return known[pattern]
        pattern = pattern[:-1]
    return None


def _pattern(path: KeyPath) -> tuple[str, ...]:
    known = _by_path()
    pattern: tuple[str, ...] = ()
    for part in path:
        opener = known.get(pattern)
        names = _opening(opener.annotation) if opener else ()
        pattern = (*pattern, *(names or (str(part),)))
    return pattern


@cache
def _by_path() -> dict[tuple[str, ...], Option]:
    return {option.path: option for option in options()}


def names_at(path: KeyPath) -> tuple[str, ...]:
    """Return the option names that may stand directly below a path; empty where any name may."""
    annotation = annotation_at(path)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return tuple(annotation.model_fields)
    return ()


def homes_of(name: str) -> tuple[str, ...]:
    """Return the full names of the options with this last name, for a key that stands in the wrong place."""
    return tuple(option.name for option in options() if option.path[-1] == name)


def wording(annotation: object) -> str:
    """Name a type as a reader of the reference page knows it."""
    if get_origin(annotation) is Literal:
        return " | ".join(f'"{word}"' for word in get_args(annotation))
    if is_table(annotation):
        return "table of " + _plural(get_args(annotation)[1])
    if is_list(annotation):
        return "list of " + _plural(get_args(annotation)[0])
    if section_in(annotation):
        return "section"
    return next((word for kind, word in _WORDS if annotation is kind), "value")


_WORDS: tuple[tuple[type, str], ...] = (
    (str, "text"),
    (int, "integer"),
    (float, "number"),
    (bool, "boolean"),
    (Path, "path"),
    (SecretStr, "secret"),
)


def is_number(annotation: object) -> bool:
    """Tell whether a type holds whole numbers or numbers."""
    return annotation is int or annotation is float


def _plural(annotation: object) -> str:
    plain = without_none(annotation)[0]
    word = wording(plain)
    return f"{word}s" if word in {"section", "text", "secret", "value"} else word


def is_secret(path: KeyPath) -> bool:
    """Tell whether what stands at a path must never be shown."""
    option = option_at(path)
    return option is not None and option.is_secret
