"""Places in TOML, held against the standard parser."""

from __future__ import annotations

import json
import tomllib

from hypothesis import given
from hypothesis import strategies as st

from narthex.config.origins import KeyPath
from narthex.config.toml_places import toml_places

NAMES = st.text(st.sampled_from("abAB01-_ .é\"'\\#=[]"), min_size=0, max_size=6)
SCALARS = st.one_of(
    st.integers(-1000, 1000).map(str),
    st.booleans().map(lambda value: "true" if value else "false"),
    st.sampled_from(
        ["1.5", "1979-05-27 07:32:00", "'a # [b] = {'", '"""\nlong "" ]\n#no"""', "'''x\n'y'''", '""', '"é\\"]"']
    ),
)


def quoted(name: str) -> str:
    """Write a name as a quoted key."""
    return json.dumps(name, ensure_ascii=False)


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> str:
    """Write some TOML value."""
    kind = draw(st.sampled_from(["scalar", "list", "table"])) if depth else "scalar"
    if kind == "list":
        items = draw(st.lists(values(depth - 1), max_size=3))
        space = draw(st.sampled_from(["", " ", "\n", " # no ]\n"]))
        return "[" + "".join(f"{space}{item}{space}," for item in items) + space + "]"
    if kind == "table":
        names = draw(st.lists(NAMES, max_size=3, unique=True))
        return "{" + ", ".join(f"{quoted(name)} = {draw(values(depth - 1))}" for name in names) + "}"
    return draw(SCALARS)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Write some TOML document with tables, lists of tables and dotted keys."""
    lines: list[str] = []
    for index in range(draw(st.integers(0, 4))):
        header = f"t{index}"
        if draw(st.booleans()):
            lines += [f"[[{header}]]  # [x]", f"first = {draw(SCALARS)}", f"[{header}.inner]", f"[[ {header} ]]"]
        else:
            lines.append(f"[ {header} . {quoted(draw(NAMES))} ]")
        for number, name in enumerate(draw(st.lists(NAMES, max_size=3, unique=True))):
            lines.append(f"  {quoted(name)} . d{number} = {draw(values())}  # end")
    return draw(st.sampled_from(["\n", "\n\n", "\n# x = 1\n"])).join(lines) + "\n"


def paths_of(value: object, path: KeyPath = ()) -> set[KeyPath]:
    """Return every path in parsed values."""
    pairs: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    found = {path} if path else set[KeyPath]()
    return found.union(*(paths_of(inner, (*path, key)) for key, inner in pairs)) if pairs else found


@given(documents())
def test_every_path_has_a_place_and_no_other_has(text: str) -> None:
    """The paths that have a place are those that the standard parser finds."""
    assert set(toml_places(text)) == paths_of(tomllib.loads(text))


@given(documents())
def test_a_place_is_where_the_key_is_written(text: str) -> None:
    """At each key's place stands that key."""
    rows = text.split("\n")
    for path, (line, column) in toml_places(text).items():
        rest = rows[line - 1][column - 1 :]
        if isinstance(path[-1], str):
            assert rest.startswith((quoted(path[-1]), path[-1]))


def test_places_of_every_way_to_write_a_key() -> None:
    """Headers, dotted keys, inline tables, lists and items of lists of tables are all placed."""
    text = 'a.b = 1\n[t]\nx = { y = [1,\n  2] }\n[[l]]\n"n" = 1\n[[l]]\n[l.s]\nk = 2\n'
    assert toml_places(text) == {
        ("a",): (1, 1),
        ("a", "b"): (1, 3),
        ("t",): (2, 2),
        ("t", "x"): (3, 1),
        ("t", "x", "y"): (3, 7),
        ("t", "x", "y", 0): (3, 12),
        ("t", "x", "y", 1): (4, 3),
        ("l",): (5, 3),
        ("l", 0): (5, 1),
        ("l", 0, "n"): (6, 1),
        ("l", 1): (7, 1),
        ("l", 1, "s"): (8, 4),
        ("l", 1, "s", "k"): (9, 1),
    }
