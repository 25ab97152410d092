"""The options for others to read: a JSON schema for editors, and the reference page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from narthex.config.environment import OTHER_NAMES
from narthex.config.options import Option, options, section_in, wording
from narthex.config.settings import Settings

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""The version of JSON schema that is written."""


def json_schema() -> dict[str, object]:
    """Return the JSON schema (2020-12) of a configuration file, for completion and checks in editors."""
    schema: dict[str, object] = Settings.model_json_schema(mode="validation")
    return {"$schema": DIALECT, **schema, "title": "Configuration of Narthex"}


def reference_markdown() -> str:
    """Return the reference page of all settings: key, type, default, environment name and help."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield from _INTRODUCTION
    yield from _table("General", "", [option for option in options() if len(option.path) == 1 and not option.section])
    for option in options():
        if option.section is not None:
            yield from _section(option, option.section)
    yield from ("## Other variables", "", "| Variable | Meaning |", "|---|---|")
    yield from (f"| `{name}` | {_capitalised(meaning)}. |" for name, meaning in OTHER_NAMES.items())


_INTRODUCTION = (
    "# Settings",
    "",
    "Narthex reads, in this order, each winning over the one before:",
    "",
    "1. the defaults on this page;",
    "2. `narthex.toml` (or `.yaml`, `.yml`) in the working directory, else in `$XDG_CONFIG_HOME/narthex`",
    "   (usually `~/.config/narthex`); `--config` or `NARTHEX_CONFIG` names another;",
    "3. the environment, `NARTHEX_SECTION__KEY`; an empty variable counts as not set;",
    "4. flags on the command line.",
    "",
    "Tables are merged name by name; a list given later replaces the earlier one whole.",
    "In the environment, lists of words are comma-separated, other lists and tables are JSON.",
    "In `key`, `api_key`, `api_keys`, `base_url` and the values of `headers`,",
    "`${NAME}` and `${NAME:-default}` are variables, `file:/path` is the content of a file, and `$${` a plain `${`.",
    "Relative paths in a file begin at the folder of that file.",
    "",
    "`narthex config show --origin` prints every value and where it came from.",
    "`narthex config schema` prints a JSON schema for editors.",
    "",
)


def _section(option: Option, section: type[BaseModel]) -> Iterator[str]:
    inner = [
        candidate
        for candidate in options()
        if candidate.path[: len(option.path)] == option.path
        and _depth(candidate, option) == (1 if option.annotation is section else 2)
    ]
    yield from _table(_heading(option), option.description, inner)


def _depth(candidate: Option, option: Option) -> int:
    return len(candidate.path) - len(option.path)


def _heading(option: Option) -> str:
    opening = {"list of sections": "[[{}]]", "table of sections": "[{}.NAME]"}.get(wording(option.annotation), "[{}]")
    return f"`{opening.format(option.name.replace('*', 'NAME').replace('.#', ''))}`"


def _table(heading: str, description: str, rows: list[Option]) -> Iterator[str]:
    yield from (f"## {heading}", "")
    if description:
        yield from (description, "")
    yield from ("| Key | Type | Default | Meaning | Variable |", "|---|---|---|---|---|")
    yield from map(_row, rows)
    yield ""


def _row(option: Option) -> str:
    variable = f"`{option.environment_name}`" if option.environment_name else ""
    kind = wording(option.annotation).replace("|", "\\|")
    cells = (f"`{option.path[-1]}`", kind, _default(option), _escaped(_bounded(option)), variable)
    return f"| {' | '.join(cells)} |"


def _bounded(option: Option) -> str:
    """The help, and the limits of a number where there are any."""
    names = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    limits = [
        f"{phrase} {getattr(rule, name)}"
        for rule in option.field.metadata
        for name, phrase in names.items()
        if isinstance(getattr(rule, name, None), int | float)
    ]
    return f"{option.description} ({', '.join(limits)})" if limits else option.description


def _default(option: Option) -> str:
    if option.is_required:
        return "required"
    value = option.default
    if value is None or section_in(option.annotation):
        return "–"
    text = str(value) if isinstance(value, Path) else value
    return f"`{json.dumps(text, ensure_ascii=False)}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
