"""Texts for regular expressions."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.providers.scripted.patterns import matching
from narthex.providers.scripted.schemas import UnsupportedSchema
from narthex.providers.scripted.schemas import pattern as compiled

PATTERNS = [
    r"^[A-Z]{3}-\d+$",
    r"^(\d{4})-(\d{2})-(\d{2})$",
    r"^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}$",
    r"^(?:red|green|blue)$",
    r"^(?P<year>\d{4})$",
    r"^\+?[1-9]\d{1,14}$",
    r"^[^\s@]+$",
    r"^#[0-9a-fA-F]{6}$",
    r"^\w+\s\w+$",
    r"abc",
    r"^a*$",
    r"^x{2,3}?y??$",
    r"^[\w-]+$",
    r"^[]a]$",
    r"^\x41B$",
    r"^.{5}$",
    r"a|b",
    r"^\{\}$",
    r"^{x}$",
    r"^\D\W\S$",
    r"^[a-]$",
    r"\n\t",
    "",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_text_matches(pattern: str) -> None:
    """What is made is found by the expression."""
    assert re.search(pattern, matching(pattern, least=0, most=1_000))


@pytest.mark.parametrize("pattern", [r"^[a-z]+$", r"^\d*$", r"[ab]", r"^(ab)*$"])
@pytest.mark.parametrize("least", [0, 4, 20])
def test_the_text_has_the_length_asked(pattern: str, least: int) -> None:
    """Length limits beside a pattern hold too."""
    text = matching(pattern, least=least, most=60)
    assert compiled(pattern).search(text)
    assert least <= len(text) <= 60


@pytest.mark.parametrize(
    "pattern", [r"^(?=a)b$", r"^(a)\1$", r"(?i)a", r"a{99999}b{99999}", r"(?<!a)b", r"^\pL$", "(a{999}){999}"]
)
def test_what_is_not_read_is_refused(pattern: str) -> None:
    """An expression beyond the syntax read here is refused, quickly."""
    with pytest.raises(UnsupportedSchema):
        matching(pattern, least=0, most=1_000)


def test_limits_that_no_text_meets_are_refused() -> None:
    """A pattern longer than the longest text allowed has no text."""
    with pytest.raises(UnsupportedSchema, match="no text of 0 to 2"):
        matching("^abc$", least=0, most=2)


@given(st.text(alphabet="ab01[](){}|*+?.^$-\\dws,", max_size=12))
def test_any_expression_is_answered_or_refused(pattern: str) -> None:
    """No expression, valid or not, does anything but give a matching text or be refused."""
    try:
        text = matching(pattern, least=0, most=100)
    except UnsupportedSchema:
        return
    assert compiled(pattern).search(text)
