"""What a model that is held to calls and replies says."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.providers.embedded.tool_reader import Argued, Called, Said, Spoken, ToolReader

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
CALLS = st.lists(st.tuples(st.text(min_size=1, max_size=8), st.dictionaries(st.text(max_size=5), JSON)), max_size=3)


def _read(text: str, cuts: list[int]) -> list[Spoken]:
    reader = ToolReader()
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    spoken = [one for start, end in pairwise(places) for one in reader.feed(text[start:end])]
    return spoken + reader.close()


def _calls(spoken: list[Spoken]) -> list[tuple[str, str]]:
    calls: list[tuple[str, str]] = []
    for one in spoken:
        if isinstance(one, Called):
            calls.append((one.name, ""))
        elif isinstance(one, Argued):
            calls[-1] = (calls[-1][0], calls[-1][1] + one.text)
    return calls


def _text(spoken: list[Spoken]) -> str:
    return "".join(one.text for one in spoken if isinstance(one, Said))


@given(CALLS, st.lists(st.integers(min_value=0), max_size=6), st.sampled_from([None, 1, 4]), st.booleans())
def test_calls_come_out_however_they_are_cut(
    calls: list[tuple[str, dict[str, object]]], cuts: list[int], indent: int | None, plain: bool
) -> None:
    """Names whole and arguments as written, in order, at every cut and in every layout."""
    said = {"tool_calls": [{"name": name, "arguments": arguments} for name, arguments in calls]}
    spoken = _read(json.dumps(said, indent=indent, ensure_ascii=plain), cuts)
    assert [(name, json.loads(arguments)) for name, arguments in _calls(spoken)] == calls
    assert _text(spoken) == ""


@given(st.text(), st.lists(st.integers(min_value=0), max_size=6), st.booleans())
def test_a_reply_comes_out_however_it_is_cut(reply: str, cuts: list[int], plain: bool) -> None:
    """The text is what JSON says it is, escapes and pairs of surrogates included."""
    assert _text(_read(json.dumps({"reply": reply}, ensure_ascii=plain), cuts)) == reply


@given(JSON.filter(lambda value: not isinstance(value, str)), st.lists(st.integers(min_value=0), max_size=6))
def test_a_reply_of_json_comes_out_as_written(value: object, cuts: list[int]) -> None:
    """With a schema for the reply, the reply is that JSON."""
    spoken = _read(json.dumps({"reply": value}), cuts)
    assert json.loads(_text(spoken)) == value


@given(st.text(min_size=1).filter(lambda text: not text.strip(" \t\r\n").startswith("{")))
def test_plain_text_stays_text(text: str) -> None:
    """A model that does not keep to the form is heard all the same."""
    assert _text(_read(text, [])) == text


@given(st.text(max_size=60))
def test_nothing_breaks_it(text: str) -> None:
    """Any text, in any number of pieces, is read without a fault."""
    _read("{" + text, list(range(len(text))))


def test_an_answer_cut_short_gives_what_there_was() -> None:
    """At the limit of tokens, the arguments end where they end."""
    spoken = _read('{"tool_calls": [{"name": "weather", "arguments": {"city": "Pa', [])
    assert spoken == [Called("weather"), Argued('{"city": "Pa')]


def test_arguments_come_in_fragments() -> None:
    """Each piece that arrives is passed on at once, not kept until the call is whole."""
    reader = ToolReader()
    pieces = ['{"tool_calls": [{"name": "w', 'eather", "arguments": {"a"', ": [1, ", "2]}}]}"]
    assert [reader.feed(piece) for piece in pieces] == [
        [],
        [Called("weather"), Argued('{"a"')],
        [Argued(": [1, ")],
        [Argued("2]}")],
    ]
    assert reader.calls == 1


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (r"a\u00e9\n\"\\", 'aé\n"\\'),
        (r"\ud83c\udf89", "🎉"),
        (r"\ud83c!", "\ufffd!"),
        (r"\udf89", "\ufffd"),
        (r"\ud83c\u0041", "\ufffdA"),
        (r"\uzzzz", "\ufffd"),
        (r"\ud83c", "\ufffd"),
    ],
)
def test_escapes_are_read_as_json_has_them(written: str, text: str) -> None:
    """Half a character becomes the replacement character, never an error."""
    assert _text(_read(f'{{"reply": "{written}"}}', [])) == text
