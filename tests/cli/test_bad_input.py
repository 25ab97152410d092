"""What is wrong is told in a line, by name; and nothing is done by halves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke

DOCUMENT: Mapping[str, object] = {"format": "narthex.workspaces", "version": 1, "workspaces": []}
LISTS = (("workspace", "list"), ("key", "list", "--all"), ("limit", "list"), ("price", "list"), ("user", "list"))


@pytest.fixture
def there(home: Path, invoke: Invoke) -> dict[str, str]:
    """Everything there is before."""
    (home / "narthex.toml").write_text('data_dir = "data"\n', encoding="utf-8")
    assert invoke("workspace", "create", "shop").exit_code == 0
    return listed(invoke)


def listed(invoke: Invoke) -> dict[str, str]:
    """Return everything that a command could have changed."""
    return {" ".join(words): invoke(*words, "--json").stdout for words in LISTS}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("key", "create", "k", "--workspace", "nope"), ("'nope'",)),
        (("key", "create", "k", "--address", "10.0.0"), ("'10.0.0'", "10.0.0.0/8")),
        (("key", "create", "k", "--permission", "keys:eat"), ("keys:eat",)),
        (("key", "create", "k", "--expires-in", "soon"), ("'soon'", "90d")),
        (("key", "create", "k", "--user", "nobody@example.org"), ("nobody@example.org",)),
        (("key", "create", "k", "--tag", "red"), ("'red'", "NAME=VALUE")),
        (("key", "rotate", "key_aaaaaaaaaaaaaaaa"), ("key_aaaaaaaaaaaaaaaa",)),
        (("key", "revoke", "key_aaaaaaaaaaaaaaaa"), ("key_aaaaaaaaaaaaaaaa",)),
        (("limit", "create", "workspace", "shop", "--measure", "requests", "--amount", "-1"), ("below zero", "give 0")),
        (("limit", "create", "workspace", "shop", "--measure", "requests"), ("--amount",)),
        (("price", "add", "a/b", "--input", "1", "--output", "1", "--currency", "EUR"), ("EUR", "USD")),
        (("workspace", "edit", "shop", "--set", "currency=EUR"), ("EUR",)),
        (("workspace", "edit", "shop", "--set", "retention_days=0"), ("retention_days",)),
    ],
)
def test_what_is_wrong_is_told(
    there: dict[str, str], invoke: Invoke, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    """Which it is, and what would be right; nothing is made."""
    ended = invoke(*arguments)
    assert ended.exit_code != 0
    assert "Traceback" not in ended.output
    for word in words:
        assert word in ended.output, ended.output
    assert listed(invoke) == there


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, ("version 2", "update")),
        ({"workspaces": [{"slug": "a", "name": "a", "template": "a"}]}, ("a → a",)),
        ({"workspaces": [{"slug": "a", "name": "a"}, {"slug": "shop", "name": "b"}]}, ("shop",)),
        ({"workspaces": [{"slug": "a", "name": "a", "settings": {"currency": "EUR"}}]}, ("EUR",)),
    ],
)
def test_an_import_leaves_no_trace(
    there: dict[str, str], invoke: Invoke, change: dict[str, object], words: tuple[str, ...]
) -> None:
    """That cannot be done whole."""
    ended = invoke("workspace", "import", "-", text=json.dumps({**DOCUMENT, **change}))
    assert ended.exit_code != 0
    for word in words:
        assert word in ended.output, ended.output
    assert listed(invoke) == there


def test_a_limit_of_zero_is_one(there: dict[str, str], invoke: Invoke) -> None:
    """It lets nothing pass, which somebody may want."""
    made = invoke("limit", "create", "workspace", "shop", "--measure", "requests", "--amount", "0", "--json")
    assert made.exit_code == 0, made.output
    assert listed(invoke) != there
