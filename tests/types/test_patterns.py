"""Patterns of names."""

from __future__ import annotations

import re

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
