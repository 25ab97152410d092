"""Patterns of names."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.types.patterns import expression_of


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*", "", True),
        ("openai/*", "openai/gpt-4o", True),
        ("openai/*", "azure/openai/x", False),
        ("a*c", "abbc", True),
        ("a*b*c", "axbxbxc", True),
        ("a*b*c", "acb", False),
        ("a**a", "a", False),
        ("*b*b", "b", False),
        ("*ab*", "aab", True),
        ("a.c", "abc", False),
        ("", "a", False),
    ],
)
def test_only_the_star_stands_for_anything(pattern: str, name: str, *, fits: bool) -> None:
    """A point is a point."""
    assert (re.fullmatch(expression_of(pattern), name) is not None) is fits


@given(st.text(alphabet=st.characters(exclude_characters="*")))
def test_a_text_without_a_star_fits_itself(text: str) -> None:
    """Whatever signs are in it."""
    assert re.fullmatch(expression_of(text), text)


@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_a_name_fits_where_the_stars_can_stand_for_something(pattern: str, name: str) -> None:
    """As the shell has it."""
    assert (re.fullmatch(expression_of(pattern), name) is not None) is fnmatchcase(name, pattern)


def test_nobody_keeps_the_server_busy_with_a_pattern() -> None:
    """One with dozens of stars that fits nothing would take longer than the sun has, if all places were tried."""
    assert re.fullmatch(expression_of("a*" * 90 + "b"), "a" * 1_000) is None
