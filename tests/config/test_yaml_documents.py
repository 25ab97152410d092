"""YAML by the core schema of version 1.2."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.config.yaml_documents import YamlProblem, read_yaml

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text(st.characters(max_codepoint=0xFFFD, exclude_categories=["Cs"]), max_size=12),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("08", 8),
        ("0o17", 15),
        ("0x1F", 31),
        ("017", 17),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-1.", -1.0),
        ("12:30:45", "12:30:45"),
        ("2026-11-20", "2026-11-20"),
        ("'1'", "1"),
        ('"no"', "no"),
        ("!!str 1", "1"),
        ("! 1", "1"),
        ("|\n  1\n", "1\n"),
        (".inf", math.inf),
        ("-.INF", -math.inf),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    """Words of YAML 1.1 are text, and numbers are read as version 1.2 says."""
    read, _ = read_yaml(f"key: {text}")
    assert read == {"key": value}


@given(VALUES)
def test_json_is_yaml(value: object) -> None:
    """Any JSON value is read as what it is, since JSON is YAML 1.2."""
    assert read_yaml(json.dumps({"key": value}))[0] == {"key": value}


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nonsense never raises anything but the one error, which has a place."""
    places = [(1, 1)]
    try:
        read_yaml(text)
    except YamlProblem as problem:
        places.append((problem.line, problem.column))
    assert min(min(place) for place in places) >= 1


def test_keys_and_items_have_places() -> None:
    """Each key and each item knows its line and column, in flow and block style."""
    _, places = read_yaml("server:\n  port: 1\nkeys:\n  - name: a\n  - {name: b}\n")
    assert places == {
        ("server",): (1, 1),
        ("server", "port"): (2, 3),
        ("keys",): (3, 1),
        ("keys", 0): (4, 5),
        ("keys", 0, "name"): (4, 5),
        ("keys", 1): (5, 5),
        ("keys", 1, "name"): (5, 6),
    }


def test_an_alias_repeats_its_anchor() -> None:
    """Anchors and aliases, which version 1.2 has, are followed."""
    assert read_yaml("a: &x [1, 2]\nb: *x\n")[0] == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\na: 2", "second time"),
        ("a: {<<: {b: 1}}", "merge keys"),
        ("? [a]\n: 1", "plain text"),
        ("a: !!set {b}", "tag"),
        ("a: &x [*x]", "no anchor"),
        ("a: 1\n---\nb: 1", "second document"),
        ("a: " + "[" * 60 + "]" * 60, "deep"),
        ("a: " + "9" * 5000, "too many digits"),
        ("a: [", "expected"),
        ("a: \x01", "control characters"),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    """Duplicate keys, merge keys, tags, loops and absurd sizes are refused in words."""
    with pytest.raises(YamlProblem, match=reason):
        read_yaml(text)


def test_aliases_cannot_blow_up() -> None:
    """An alias costs what it stands for, so a few lines cannot become millions of values."""
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(YamlProblem, match="more than"):
        read_yaml("\n".join(rows))
