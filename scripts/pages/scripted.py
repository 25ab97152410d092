"""The page of the scripted provider: what it can be told, and how it can misbehave."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import cast

from pydantic import BaseModel

from narthex.providers.scripted.options import Rule, ScriptOptions, ToolCallScript, When
from narthex.testing.scenarios import SCENARIOS, WIRE_ONLY, Occasion
from scripts.pages.markdown import code, table

_HEAD = """\
# Scripted provider

A provider without a model: deterministic, seeded, as fast or as slow as it is told, and able to fail in every way that real ones do.
It is for tests, demos and benchmarks.
It stands in the configuration as a provider of the kind `scripted`, and its options under `script`:

```toml
[providers.demo]
kind = "scripted"

[providers.demo.script]
models = ["greeter"]
tokens_per_second = 40
faults = [{ fault = "rate_limit", retry_after_s = 2, every = 5 }]

[[providers.demo.script.replies]]
when = "weather"
reply = "It rains."
```

## Options
"""

_FAULTS = """
## Faults

What goes wrong stands under `faults`, or under `fault` in a rule, with its name and its fields.
"""


def page() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    yield from _fields(ScriptOptions)
    for section, title in (
        (Rule, "Rules, `replies`"),
        (When, "Conditions, `when`"),
        (ToolCallScript, "Tool calls, `tool_call`"),
    ):
        yield f"\n## {title}\n"
        yield from _fields(section)
    yield _FAULTS
    playable = ((name, scenario) for name, scenario in SCENARIOS.items() if name not in WIRE_ONLY)
    rows = ((code(name), _sentence(scenario), _own_fields(scenario)) for name, scenario in playable)
    yield from table(("Fault", "What it does", "Fields, with their defaults"), rows)
    yield "\nEach takes these too:\n"
    yield from _fields(Occasion)


def _fields(section: type[BaseModel]) -> Iterator[str]:
    schema = cast("dict[str, dict[str, dict[str, object]]]", section.model_json_schema())
    rows = (
        (code(name), _type(schema["properties"][name]), _default(field.get_default()), field.description or "")
        for name, field in section.model_fields.items()
    )
    yield from table(("Key", "Type", "Default", "Meaning"), rows)


def _type(schema: dict[str, object]) -> str:
    if "enum" in schema:
        return ", ".join(code(json.dumps(word)) for word in cast("list[object]", schema["enum"]))
    choices = cast("list[dict[str, object]]", schema.get("anyOf", [schema]))
    words = {"array": "list", "object": "table", "string": "text"}
    kinds = (str(choice.get("type", "table")) for choice in choices)
    return " or ".join(dict.fromkeys(words.get(kind, kind) for kind in kinds if kind != "null"))


def _default(value: object) -> str:
    if value is None or isinstance(value, BaseModel):
        return "–"
    return code(json.dumps(value))


def _own_fields(scenario: type[BaseModel]) -> str:
    own = ((name, field) for name, field in scenario.model_fields.items() if name not in Occasion.model_fields)
    shown = (
        name if field.default is None else f"{name} = {json.dumps(field.default)}"
        for name, field in own
        if name != "fault"
    )
    return ", ".join(map(code, shown))


def _sentence(scenario: type[BaseModel]) -> str:
    return inspect.cleandoc(scenario.__doc__ or "").partition("\n")[0]
