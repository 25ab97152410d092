"""The options for others to read."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest

from narthex.config.documents import read_document
from narthex.config.environment import OTHER_NAMES
from narthex.config.options import options
from narthex.config.schema import DIALECT, json_schema, reference_markdown

BROKEN = Path(__file__).parent / "broken"
GOOD = {
    "data_dir": "/data",
    "server": {"port": 1},
    "keys": [{"name": "a", "key": "${KEY}"}],
    "providers": {"groq": {"timeouts": {"total_s": 5}}, "x": {"script": {"anything": [1]}}},
    "aliases": {"fast": "groq/llama"},
}


def test_the_schema_is_valid_by_its_own_dialect() -> None:
    """Editors get a schema of draft 2020-12 that is itself well formed."""
    schema = json_schema()
    assert schema["$schema"] == DIALECT
    jsonschema_rs.meta.validate(json.loads(json.dumps(schema)))


def test_the_schema_takes_what_is_right() -> None:
    """A good configuration passes."""
    jsonschema_rs.validate(json_schema(), GOOD)


@pytest.mark.parametrize(
    "name",
    ["unknown-key", "text-for-number", "number-out-of-bounds", "word-of-a-choice", "missing-value", "truth-in-words"],
)
def test_the_schema_refuses_what_is_wrong(name: str) -> None:
    """An editor marks the same faults of form as the server does."""
    values = read_document(BROKEN / f"{name}.toml", directory=BROKEN).values
    assert not jsonschema_rs.is_valid(json_schema(), values)


def test_every_option_and_variable_is_on_the_reference_page() -> None:
    """What is not documented does not exist."""
    page = reference_markdown()
    for option in options():
        if option.section is None:
            assert f"| `{option.path[-1]}` |" in page
            assert option.environment_name is None or f"`{option.environment_name}`" in page
            assert option.description.replace("|", "\\|") in page
    assert all(f"`{name}`" in page for name in OTHER_NAMES)


def test_the_tables_of_the_page_are_whole() -> None:
    """Each row has as many cells as its head."""
    width = 0
    for line in reference_markdown().splitlines():
        cells = line.replace("\\|", "").count("|") if line.startswith("|") else 0
        assert width in (0, cells) or cells == 0
        width = cells
