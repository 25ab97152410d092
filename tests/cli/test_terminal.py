"""What is printed, and how."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.cli.terminal import counted, print_json, print_table, printable


@given(st.text())
def test_printable_text_has_no_control_characters(text: str) -> None:
    """Nothing is left that could move the cursor or rename the window, and nothing else is lost."""
    shown = printable(text)
    assert not any(one < " " or "\x7f" <= one <= "\x9f" for one in shown if one not in "\n\t")
    assert [one for one in text if one.isprintable()] == [one for one in shown if one.isprintable()]


def test_json_is_on_one_line_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs read a line; letters stay letters."""
    print_json({"a": "é", "b": [1]})
    line = capsys.readouterr().out
    assert line == '{"a": "é", "b": [1]}\n'
    assert json.loads(line) == {"a": "é", "b": [1]}


def test_columns_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """Each column is as wide as its widest cell; figures end in one line."""
    print_table(("NAME", "N"), [("a", "1"), ("longer", "22")])
    assert capsys.readouterr().out == "NAME    N\na       1\nlonger  22\n"
    print_table(("NAME", "N"), [("a", "1"), ("longer", "22")], figures={1})
    assert capsys.readouterr().out == "NAME     N\na        1\nlonger  22\n"


def test_things_are_counted_as_people_say() -> None:
    """One of them is one, and thousands are told apart."""
    assert counted(1, "hour") == "1 hour"
    assert counted(0, "hour") == "0 hours"
    assert counted(1_200, "entry", "entries") == "1,200 entries"
