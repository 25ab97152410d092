"""The options of a script."""

from __future__ import annotations

import pytest

from narthex.errors import ConfigError
from narthex.providers.scripted.options import ScriptOptions, read_options
from narthex.testing.scenarios import Fail


def _problems(script: dict[str, object]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read_options("demo", script)
    return caught.value.problems


def test_nothing_needs_to_be_said() -> None:
    """An empty script is a whole one."""
    options = read_options("demo", {})
    assert options.models == ("scripted",)
    assert options == ScriptOptions()


def test_a_full_script_is_read() -> None:
    """Short forms are taken: a text for `when`, a table for one tool call, a table per fault."""
    options = read_options(
        "demo",
        {
            "models": ["a", "b"],
            "replies": [
                {"when": "weather", "tool_call": {"name": "get_weather", "arguments": {"city": "Oslo"}}},
                {"when": {"regex": "^x", "model": "a"}, "fault": {"fault": "fail", "status": 503}},
                {"reply": "else"},
            ],
            "faults": [{"fault": "fail", "every": 3}],
        },
    )
    assert options.replies[0].when.contains == "weather"
    assert options.replies[0].tool_call[0].arguments == {"city": "Oslo"}
    assert options.replies[1].fault == Fail(status=503)
    assert options.faults == (Fail(every=3),)


def test_every_problem_is_told_at_once() -> None:
    """Each problem names its option by path, what was expected and the remedy; none hides another."""
    problems = _problems(
        {
            "modls": ["a"],
            "seed": "x",
            "jitter": 2,
            "models": [],
            "faults": [{"fault": "fial"}, {"fault": "fail", "status": 200, "evry": 2}, {"status": 500}],
            "replies": [{"when": {"regex": "("}, "tool_call": {"nam": "x"}}],
        }
    )
    assert len(problems) == 10
    text = "\n".join(problems)
    assert 'providers.demo.script.modls: unknown option; did you mean "models"?' in problems
    assert 'providers.demo.script.faults.0.fault: no fault "fial"; did you mean "fail"?' in problems
    assert 'providers.demo.script.faults.1.evry: unknown option; did you mean "every"?' in problems
    assert 'providers.demo.script.replies.0.tool_call.0.nam: unknown option; did you mean "name"?' in problems
    assert "providers.demo.script.faults.1.status: expected greater than or equal to 400, got 200" in problems
    assert "providers.demo.script.replies.0.when.regex: not a regular expression" in text
    assert "providers.demo.script.seed: expected a valid integer" in text
    assert 'providers.demo.script.faults.2.fault: no fault ""; there are' in text


@pytest.mark.parametrize("place", ["faults", "replies"])
def test_what_needs_a_socket_is_refused(place: str) -> None:
    """A scenario that this provider cannot play is refused when the script is read, not passed over later."""
    fault = {"fault": "split_utf8"}
    (problem,) = _problems({place: [fault if place == "faults" else {"fault": fault}]})
    assert "needs a socket" in problem


def test_two_rhythms_contradict_each_other() -> None:
    """A fault comes by count or by chance."""
    (problem,) = _problems({"faults": [{"fault": "outage", "every": 2, "probability": 0.5}]})
    assert problem.endswith("give `every` or `probability`, not both")


def test_limits_name_a_limit() -> None:
    """`limits` without a limit is a mistake."""
    (problem,) = _problems({"faults": [{"fault": "limits"}]})
    assert "requests_per_minute" in problem
