"""The vocabulary of misbehaviour."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from narthex.testing.scenarios import (
    SCENARIOS,
    WIRE_ONLY,
    BadDirective,
    Disconnect,
    Fail,
    RateLimit,
    Scenario,
    find_directives,
    scenario_from_directive,
    without_directives,
)


def test_names_are_those_of_the_fields() -> None:
    """Each scenario is found by the word under `fault`, and needs nothing but that word."""
    adapter: TypeAdapter[Scenario] = TypeAdapter(Scenario)
    for name, kind in SCENARIOS.items():
        if name != "limits":
            assert type(adapter.validate_python({"fault": name})) is kind
    assert set(SCENARIOS) >= WIRE_ONLY
    assert len(SCENARIOS) == 39


def test_values_travel_as_tables() -> None:
    """A scenario written out and read again is the same."""
    adapter: TypeAdapter[Scenario] = TypeAdapter(Scenario)
    scenario = RateLimit(retry_after_s=2.5, every=3)
    assert adapter.validate_json(adapter.dump_json(scenario)) == scenario


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"fault": "fail", "status": 99}, "greater than"),
        ({"fault": "fail", "every": 0}, "greater than"),
        ({"fault": "nonsense"}, "does not match"),
        ({"fault": "outage", "status": 500}, "not permitted"),
        ({"fault": "break_tool_call", "how": "softly"}, "malformed_arguments"),
    ],
)
def test_nonsense_is_refused(table: dict[str, object], words: str) -> None:
    """Unknown names, fields and values out of range are refused."""
    adapter: TypeAdapter[Scenario] = TypeAdapter(Scenario)
    with pytest.raises(ValidationError, match=words):
        adapter.validate_python(table)


def test_directives_fill_fields_in_order_or_by_name() -> None:
    """Bare words fill a scenario's own fields from the left, named ones wherever they stand."""
    assert scenario_from_directive("fail", "503") == Fail(status=503)
    assert scenario_from_directive("fail", "code=slow_down 503 hm") == Fail(status=503, message="hm", code="slow_down")
    assert scenario_from_directive("disconnect", "") == Disconnect()


def test_a_rhythm_is_said_by_name_where_it_is_taken() -> None:
    """`every`, `probability` and `times` belong to scripts; a prompt cannot say them."""
    said = scenario_from_directive("fail", "503 times=2", with_occasion=True)
    assert said == Fail(status=503, times=2)
    with pytest.raises(BadDirective, match="not 'times'"):
        scenario_from_directive("fail", "503 times=2")


def test_unknown_directives_list_the_known() -> None:
    """A name that is no scenario is answered with those there are."""
    with pytest.raises(BadDirective, match="there are bad_framing"):
        scenario_from_directive("nonsense", "")


def test_directives_are_found_in_text() -> None:
    """Only what looks like a directive is found; only the names given are taken out."""
    text = "a [[fail 503]] b [[not-one]] [[ stall ]] [[x]] [["
    assert list(find_directives(text)) == [("fail", "503"), ("stall", ""), ("x", "")]
    assert without_directives(text, frozenset({"fail", "stall"})) == "a  b [[not-one]]  [[x]] [["


def test_reading_directives_is_linear() -> None:
    """A hostile text is read without backtracking over it."""
    assert list(find_directives("[[a " * 50_000)) == []
