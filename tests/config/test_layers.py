"""Layers over each other."""

from __future__ import annotations

from narthex.config.layers import Layers
from narthex.config.origins import DEFAULT, Origin

FILE = Origin(kind="file", name="f", line=1, column=1)
ENVIRONMENT = Origin(kind="environment", name="E")
FLAG = Origin(kind="flag", name="--x")


def test_tables_are_merged_and_lists_replaced() -> None:
    """A later layer wins name by name; a list is never mixed."""
    layers = Layers()
    layers.add_document({"server": {"port": 1, "hosts": ["a", "b"]}}, {("server",): FILE, ("server", "port"): FILE})
    layers.add(("server",), {"hosts": ["c"], "name": "n"}, ENVIRONMENT)
    assert layers.values == {"server": {"port": 1, "hosts": ["c"], "name": "n"}}
    assert layers.origin_of(("server", "port")) == FILE
    assert layers.origin_of(("server", "hosts", 0)) == ENVIRONMENT


def test_a_replaced_value_forgets_its_origins() -> None:
    """Nothing is said to come from a layer that another has covered."""
    layers = Layers()
    layers.add_document({"keys": [1, 2]}, {("keys",): FILE, ("keys", 1): FILE})
    layers.add(("keys",), [3], FLAG)
    assert layers.origin_of(("keys", 1)) == FLAG
    assert not layers.has(("keys", 1))


def test_a_value_in_the_way_gives_way() -> None:
    """A path through something that is no table replaces that."""
    layers = Layers()
    layers.add(("a", "a"), 1, FILE)
    layers.add(("a", "a", "a"), 2, FLAG)
    assert layers.values == {"a": {"a": {"a": 2}}}


def test_what_nobody_set_is_a_default() -> None:
    """The nearest origin counts, else the default."""
    layers = Layers()
    layers.note(("a",), FILE)
    assert layers.origin_of(("a", "b")) == FILE
    assert layers.origin_of(("b",)) == DEFAULT


def test_what_is_laid_over_is_not_shared() -> None:
    """Later layers do not change the value that an earlier one was given."""
    layers, given = Layers(), {"x": {"y": [1]}}
    layers.add(("a",), given, FILE)
    layers.add(("a", "x", "y"), [2], FLAG)
    assert given == {"x": {"y": [1]}}
