"""What is done about a request when something goes wrong."""

from __future__ import annotations

import json
from random import Random
from typing import get_args

import pytest

from narthex.testing.acts import Act, Answer, Close, EndSending, Send, Stall, Wait
from narthex.testing.catalogue import catalogue
from narthex.testing.scenarios import (
    SCENARIOS,
    BadFraming,
    Corrupt,
    CutEvent,
    Drip,
    Fail,
    HalfClose,
    Limits,
    NoDone,
    Scenario,
    SplitUtf8,
    Truncate,
    Unstreamed,
    WrongLength,
)
from narthex.testing.scenarios import Stall as StallScenario
from narthex.testing.wall.asking import Wire
from narthex.testing.wall.plays import Pace, limited, paced, play
from narthex.testing.wall.replies import reply_to
from tests.testing.wall.asks import asked

WIRES: tuple[Wire, ...] = get_args(Wire)


def _play(scenario: Scenario | None, *, wire: Wire = "openai", is_streamed: bool = True) -> Answer:
    request = asked(wire=wire, is_streamed=is_streamed)
    return play(request, reply_to(request, seed=0, template="one two three four"), scenario)


def _sent(answer: Answer) -> bytes:
    return b"".join(act.data for act in answer if isinstance(act, Send))


def _waited_s(answer: Answer) -> float:
    return sum(act.seconds for act in answer if isinstance(act, Wait))


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("name", sorted(SCENARIOS.keys() - {"limits"}))
def test_every_scenario_can_be_played(name: str, is_streamed: bool, wire: Wire) -> None:
    """On both wires, whole and streamed, and the same way each time."""
    scenario = SCENARIOS[name]()
    first = _play(scenario, wire=wire, is_streamed=is_streamed)  # type: ignore[arg-type]  # one of the union
    assert first
    assert first == _play(scenario, wire=wire, is_streamed=is_streamed)  # type: ignore[arg-type]  # as above


def test_the_catalogue_changes_something_wherever_it_is_played() -> None:
    """No entry is a healthy answer by mistake, in any form that it names."""
    same = [
        (entry.name, form)
        for entry in catalogue()
        for form in entry.forms
        if not isinstance(entry.scenario, Limits)
        and entry.name not in ("dns_error", "stale_connection", "wrong_usage", "split_utf8")
        and not entry.calls_a_tool
        and _play(entry.scenario, is_streamed=form == "streamed") == _play(None, is_streamed=form == "streamed")
    ]
    assert same == []


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("scenario", "last"),
    [
        (StallScenario(), Stall()),
        (HalfClose(), Stall()),
        (CutEvent(), Close()),
        (BadFraming(), Close()),
        (WrongLength(), Close()),
    ],
)
def test_a_broken_answer_ends_as_it_should(scenario: Scenario, last: Act, wire: Wire) -> None:
    """With silence, or with the end of the connection, and never whole."""
    for is_streamed in (False, True):
        answer = _play(scenario, wire=wire, is_streamed=is_streamed)
        assert answer[-1] == last
        assert not _sent(answer).endswith(b"0\r\n\r\n")


def test_a_half_closed_connection_is_still_read() -> None:
    """Only the sending side ends."""
    assert EndSending() in _play(HalfClose())


@pytest.mark.parametrize("wire", WIRES)
def test_a_truncated_answer_has_no_reason_to_end(wire: Wire) -> None:
    """It is well-formed otherwise: only who looks for the reason sees that it is cut."""
    streamed = _sent(_play(Truncate(), wire=wire))
    assert streamed.endswith(b"0\r\n\r\n")
    assert b"three" in streamed
    assert b"four" not in streamed
    body = json.loads(_sent(_play(Truncate(), wire=wire, is_streamed=False)).partition(b"\r\n\r\n")[2])
    reason = body["choices"][0]["finish_reason"] if wire == "openai" else body["stop_reason"]
    assert reason is None


def test_the_mark_is_missing_and_the_connection_held() -> None:
    """The reason to finish is there, `[DONE]` is not; with no time given nothing follows."""
    ended, held = _play(NoDone()), _play(NoDone(seconds=None))
    assert b'"finish_reason":"stop"' in _sent(ended)
    assert b"[DONE]" not in _sent(ended)
    assert _sent(ended).endswith(b"0\r\n\r\n")
    assert Stall() in held


@pytest.mark.parametrize("is_streamed", [False, True])
def test_splitting_changes_no_byte(is_streamed: bool) -> None:
    """The same body comes, in pieces that end inside characters."""
    answer = _play(SplitUtf8(bytes_each=1), is_streamed=is_streamed)
    assert len(answer) > 200
    if not is_streamed:
        assert _sent(answer) == _sent(_play(None, is_streamed=False))


def test_a_drip_takes_the_time_of_its_tokens() -> None:
    """Four tokens at two per second are two seconds, whole or streamed."""
    for is_streamed in (False, True):
        assert _waited_s(_play(Drip(tokens_per_second=2), is_streamed=is_streamed)) == pytest.approx(2, rel=0.3)
    jittered = _play(Drip(tokens_per_second=2, jitter=1))
    assert len({act.seconds for act in jittered if isinstance(act, Wait)}) > 1


def test_nonsense_has_the_length_it_tells() -> None:
    """A corrupt body is no JSON, and complete as far as HTTP can tell."""
    head, _, body = _sent(_play(Corrupt(), is_streamed=False)).partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head
    with pytest.raises(ValueError, match="utf-8"):
        json.loads(body)


def test_a_stream_may_be_answered_whole() -> None:
    """The body is that of a whole answer."""
    assert _sent(_play(Unstreamed())) == _sent(_play(None, is_streamed=False))


def test_refusals_have_their_status() -> None:
    """The status is the one asked for, and a limit tells when to come back."""
    assert _sent(_play(Fail(status=529), wire="anthropic")).startswith(b"HTTP/1.1 529")
    assert b"retry-after: 2\r\n" in _sent(limited(asked(), 2))


def test_the_pace_is_kept() -> None:
    """The first token has its own wait, each further one that of the pace; without one nothing changes."""
    answer = _play(None)
    assert paced(answer, Pace(), Random(0)) is answer
    slow = paced(answer, Pace(first_token_s=3, tokens_per_second=10), Random(0))
    waits = [act.seconds for act in slow if isinstance(act, Wait)]
    assert waits[0] == 3
    assert set(waits[1:]) == {0.1}
    assert _sent(slow) == _sent(answer)
