"""What a model says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.testing.scenarios import (
    BreakToolCall,
    ContentFilter,
    DuplicateChunk,
    HugeChunk,
    Scenario,
    Stall,
    Truncate,
    WrongUsage,
)
from narthex.testing.wall.asking import Tool
from narthex.testing.wall.replies import Said, altered, pseudo_text, reply_to
from tests.testing.wall.asks import WEATHER, asked


def _altered(scenario: Scenario, *, is_streamed: bool = False) -> Said:
    said = reply_to(asked(), seed=0, template="one two three four")
    return altered(said, scenario, is_streamed=is_streamed)


@given(st.integers())
def test_words_follow_the_seed(seed: int) -> None:
    """The same seed says the same, with characters that a careless cut would break."""
    assert pseudo_text(seed) == pseudo_text(seed)
    assert len(pseudo_text(seed).split()) == 24
    assert pseudo_text(0) != pseudo_text(1)
    assert not pseudo_text(0).isascii()


def test_a_template_holds_the_prompt() -> None:
    """`{prompt}` is filled in, other braces stay."""
    said = reply_to(asked("Hi"), seed=0, template='{"you": "{prompt}"}')
    assert said.text == '{"you": "Hi"}'
    assert said.output_tokens == len(said.pieces)


@given(st.integers(min_value=0, max_value=18))
def test_an_answer_that_has_begun_is_continued(size: int) -> None:
    """Wherever it was cut, both halves are the whole answer; spaces at the cut are said again."""
    whole = "one two three four"
    begun = whole[:size].rstrip()
    for request in (asked(begun=whole[:size]), asked("go on", before=("Hi", begun))):
        rest = reply_to(request, seed=0, template=whole).text
        assert rest == (whole if request.before and not begun else whole[len(begun) :]) or begun == whole


def test_a_finished_answer_is_not_gone_on_with() -> None:
    """A conversation whose last answer was whole gets a new one."""
    said = reply_to(asked("again", before=("Hi", "about Hi")), seed=0, template="about {prompt}")
    assert said.text == "about again"
    other = reply_to(asked(begun="Something else"), seed=0, template="about {prompt}")
    assert other.text == "about Hi"


def test_an_offered_tool_is_called() -> None:
    """Its arguments are what its schema takes."""
    properties = {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}, "days": {"type": "integer"}, "x": True}
    said = reply_to(asked(tools=(Tool(name="weather", schema={"properties": properties}),)), seed=0)
    assert said.call is not None
    assert said.finish == "tool_calls"
    assert json.loads("".join(said.call.arguments)) == {"city": "narthex", "unit": "C", "days": 7, "x": "narthex"}
    assert len(said.call.arguments) > 1


@pytest.mark.parametrize(
    ("scenario", "is_streamed", "text", "finish"),
    [
        (DuplicateChunk(after_chunks=2), True, "one two two three four", "stop"),
        (DuplicateChunk(after_chunks=99), True, "one two three four four", "stop"),
        (HugeChunk(characters=16), True, "narthex narthex one two three four", "stop"),
        (ContentFilter(after_chunks=2), True, "one two", "content_filter"),
        (Truncate(after_chunks=2), False, "one two", None),
        (Truncate(after_chunks=2), True, "one two three four", "stop"),
        (Stall(), False, "one two three four", "stop"),
        (BreakToolCall(), False, "one two three four", "stop"),
    ],
)
def test_content_is_spoiled(scenario: Scenario, is_streamed: bool, text: str, finish: str | None) -> None:
    """Each scenario changes what is said as it promises; those of the wire change nothing here."""
    said = _altered(scenario, is_streamed=is_streamed)
    assert (said.text, said.finish) == (text, finish)


def test_usage_is_told_wrong() -> None:
    """Both counts are multiplied."""
    right, wrong = _altered(Stall()), _altered(WrongUsage(factor=10))
    assert (wrong.input_tokens, wrong.output_tokens) == (10 * right.input_tokens, 10 * right.output_tokens)


def test_a_call_is_broken() -> None:
    """Its arguments become no JSON, or its tool one that was never offered."""
    said = reply_to(asked(tools=(WEATHER,)), seed=0)
    malformed = altered(said, BreakToolCall(), is_streamed=True).call
    unknown = altered(said, BreakToolCall(how="unknown_tool"), is_streamed=True).call
    assert malformed is not None
    assert unknown is not None
    with pytest.raises(ValueError, match="Expecting"):
        json.loads("".join(malformed.arguments))
    assert unknown.name == "no_weather"
