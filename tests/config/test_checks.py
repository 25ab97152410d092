"""Contradictions in well-formed settings; the messages themselves are in `test_broken`."""

from __future__ import annotations

from pathlib import Path

import pytest

from narthex.config.checks import contradictions
from narthex.config.origins import dotted
from narthex.config.settings import Settings


def found(tmp_path: Path, **values: object) -> list[str]:
    """Return the paths at which these settings contradict themselves."""
    settings = Settings.model_validate({"data_dir": tmp_path, **values})
    return [dotted(one.path) for one in contradictions(settings)]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"server": {"host": "localhost"}},
        {"server": {"host": "0.0.0.0"}, "keys": [{"name": "a", "key": "0123456789abcdef"}]},
        {"providers": {"demo": {"kind": "scripted", "script": {"seed": 1}}}, "aliases": {"a": "demo/x", "b": "a"}},
        {"aliases": {"a": "ollama/llama3"}},
        {"aliases": {"a": "local/smollm2"}, "default_model": "a"},
        {"embedded": {"enabled": False}},
        {"virtual": {"fast": {"members": ["local/a", "local/b"], "fallbacks": ["local/c"]}}, "aliases": {"x": "fast"}},
        {"virtual": {"fast": {"members": ["local/a"]}}, "default_model": "fast", "fallbacks": {"fast": ["local/c"]}},
        {"fallbacks": {"local/a": ["local/b"]}, "hedging": {"enabled": True}},
        {"virtual": {"fast": {"members": ["local/a", "local/b"]}}, "hedging": {"enabled": True}},
        {"fallbacks": {"local/a": ["local/b"], "*": ["local/b", "local/c"], "local/b": ["local/c"]}},
        {"providers": {"openai": {"kind": "anthropic", "base_url": "http://127.0.0.1:1/v1"}}},
    ],
)
def test_what_can_hold_is_let_through(tmp_path: Path, values: dict[str, object]) -> None:
    """Everything that works passes without a word."""
    assert found(tmp_path, **values) == []


@pytest.mark.parametrize(
    ("values", "paths"),
    [
        ({"server": {"tls_key": __file__}}, ["server.tls_key"]),
        ({"server": {"host": "gateway.example"}}, ["server.host"]),
        ({"keys": [{"name": "a", "key": "0123456789abcde\u00e9"}]}, ["keys.0.key"]),
        ({"keys": [{"name": "a", "key": "0123456789 abcdef"}]}, ["keys.0.key"]),
        ({"aliases": {"a": "b", "b": "c", "c": "b"}}, ["aliases.b"]),
        ({"aliases": {"a": "/x"}}, ["aliases.a"]),
        ({"discovery": {"ollama": False}, "aliases": {"a": "ollama/x"}}, ["aliases.a"]),
        ({"hedging": {"enabled": True}}, ["hedging.enabled"]),
        ({"hedging": {"enabled": True, "least_s": 300}, "fallbacks": {"*": ["local/smollm2"]}}, ["hedging.least_s"]),
        ({"fallbacks": {"local/a": ["local/b", "nobody/x"]}}, ['fallbacks."local/a".1']),
        ({"fallbacks": {"nobody/x": ["local/b"]}}, ['fallbacks."nobody/x"']),
        ({"fallbacks": {"local/a": ["local/a"]}}, ['fallbacks."local/a"']),
        ({"aliases": {"b": "local/a"}, "fallbacks": {"local/a": ["b"]}}, ['fallbacks."local/a"']),
        (
            {"fallbacks": {"local/a": ["local/b"], "local/b": ["local/c"], "local/c": ["local/a"]}},
            ['fallbacks."local/a"'],
        ),
        ({"virtual": {"fast": {"members": ["local/a", "nobody/b"]}}}, ["virtual.fast.members.1.model"]),
        ({"virtual": {"fast": {"members": []}}}, ["virtual.fast.members"]),
        (
            {"virtual": {"fast": {"members": ["local/a"]}}, "models": {"fast": {"streams": False}}},
            ["models.fast.streams"],
        ),
        ({"virtual": {"local": {"members": ["local/a"]}}}, ["virtual.local"]),
        ({"virtual": {"fast": {"members": [{"model": "local/a", "weight": -1}]}}}, ["virtual.fast.members.0.weight"]),
        ({"fallbacks": {"local/*": ["local/b"]}}, ['fallbacks."local/*"']),
        ({"retries": {"base_s": 9}}, ["retries.base_s"]),
        ({"breakers": {"open_s": 90}}, ["breakers.open_s"]),
        ({"default_model": "local/other", "embedded": {"enabled": False}}, ["default_model"]),
        ({"embedded": {"models_dir": __file__}}, ["embedded.models_dir"]),
        ({"providers": {"x": {}}}, ["providers.x"]),
    ],
)
def test_what_cannot_hold_is_told_where_it_is_mended(
    tmp_path: Path, values: dict[str, object], paths: list[str]
) -> None:
    """Each contradiction is found once, at the option to change."""
    assert found(tmp_path, **values) == paths


def test_a_folder_is_made_later_if_it_can_be(tmp_path: Path) -> None:
    """A data folder that is missing is no fault, unless a file stands in its way."""
    (tmp_path / "file").touch()
    assert found(tmp_path, data_dir=tmp_path / "a/b/c") == []
    assert found(tmp_path, data_dir=tmp_path / "file/b") == ["data_dir"]


def test_the_semantic_cache_says_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra that is not installed, with the remedy; the model that there is not."""
    semantic: dict[str, object] = {"enabled": True}
    assert found(tmp_path, cache={"semantic": semantic}) == []
    shared = {**semantic, "index": "postgresql"}
    assert found(tmp_path, cache={"semantic": shared}) == ["cache.semantic.index"]
    assert found(tmp_path, cache={"semantic": shared}, database={"url": "postgresql://h/d"}) == []
    missing = ["cache.semantic.embedding_model"]
    assert found(tmp_path, cache={"semantic": semantic}, embedded={"enabled": False}) == missing
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    settings = Settings.model_validate({"data_dir": tmp_path, "cache": {"semantic": semantic}})
    told = [one for one in contradictions(settings) if one.path[:2] == ("cache", "semantic")]
    assert [one.message for one in told] == ["needs numpy: `pip install 'narthex[semantic]'`, or set it to false"]
