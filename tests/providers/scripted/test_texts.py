"""Words of no meaning."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from narthex.providers.scripted.texts import chunks, count_tokens, fill, pseudo_text, split_tokens
from narthex.testing.chance import random_for


@given(st.text())
def test_tokens_join_to_the_text(text: str) -> None:
    """No character is lost between tokens, and the count is that of the split."""
    assert "".join(split_tokens(text)) == text
    assert count_tokens(text) == len(split_tokens(text))


@given(st.integers(min_value=1, max_value=300), st.integers())
def test_pseudo_text_has_the_length_asked(tokens: int, seed: int) -> None:
    """A text of so many tokens counts as so many tokens."""
    assert count_tokens(pseudo_text(random_for(seed), tokens)) == tokens


@given(st.lists(st.text(min_size=1)), st.integers(min_value=1, max_value=9))
def test_chunks_lose_nothing(tokens: list[str], size: int) -> None:
    """The pieces of a text are the text."""
    assert "".join(chunks(tokens, size)) == "".join(tokens)


def test_templates_fill_only_what_they_know() -> None:
    """Braces around other words stay, and what is filled in is not read again."""
    assert (
        fill('{"a": "{prompt}", "b": {other}}', {"prompt": "{model}", "model": "m"}) == '{"a": "{model}", "b": {other}}'
    )


def test_long_texts_are_counted_by_length() -> None:
    """A text too long to split on the loop is counted all the same."""
    assert count_tokens("word " * 100_000) == 125_000
