"""The judge, on cases made by hand."""

from __future__ import annotations

import json

import pytest

from narthex.testing.callers import Heard
from narthex.testing.catalogue import Verdict
from narthex.testing.scorecard import (
    Judgement,
    ProviderView,
    Score,
    Scorecard,
    Truth,
    described,
    judge,
    summary,
)

TRUTH = Truth(right=("one two three",), said="one one two three")

CALL = Truth(right=('look_up({"place":"narthex"})',), said='look_up({"place":"narthex"})')


@pytest.mark.parametrize(
    ("heard", "verdict"),
    [
        (Heard(ended="whole", status=200, text="one two three", finish="stop"), "rescued"),
        (Heard(ended="whole", status=200, text="one one two three", finish="stop"), "safe"),
        (Heard(ended="whole", status=200, text="one two", finish="content_filter"), "partial"),
        (Heard(ended="whole", status=200, text="one two", finish="length"), "partial"),
        (Heard(ended="whole", status=200, text="one two", finish="stop"), "failed"),
        (Heard(ended="whole", status=200, text="", finish="stop"), "failed"),
        (Heard(ended="whole", status=200, text="one two three three", finish="stop"), "failed"),
        (Heard(ended="whole", status=200, text="nothing of the kind", finish="content_filter"), "failed"),
        (Heard(ended="unfinished", status=200, text="one two three"), "failed"),
        (Heard(ended="refused", status=503, error="later"), "safe"),
        (Heard(ended="refused", status=401), "safe"),
        (Heard(ended="error_event", status=200, text="one two", error="broken"), "partial"),
        (Heard(ended="error_event", status=200, error="broken"), "safe"),
        (Heard(ended="error_event", status=200, text="two", error="broken"), "failed"),
        (Heard(ended="cut", status=200, text="one two"), "partial"),
        (Heard(ended="cut", status=200), "failed"),
        (Heard(ended="malformed", status=200, text="one two three"), "failed"),
        (Heard(ended="hung", status=200, text="one two three", seconds=9), "failed"),
        (Heard(ended="unreachable"), "failed"),
    ],
)
def test_a_call_is_worth_what_its_caller_got(heard: Heard, verdict: Verdict) -> None:
    """Whole and right, a part with an error, the truth, or a failure; each with its reason."""
    judgement = judge(heard, TRUTH)
    assert judgement.verdict == verdict
    assert judgement.reason


def test_a_part_of_a_call_is_a_part() -> None:
    """Arguments that end early are the beginning of the right ones, unless they are told as whole."""
    cut = Heard(ended="error_event", status=200, text='look_up({"pla)', error="broken")
    assert judge(cut, CALL).verdict == "partial"
    told = Heard(ended="whole", status=200, text='look_up({"pla)', finish="tool_calls")
    assert judge(told, CALL).verdict == "failed"
    other = Heard(ended="error_event", status=200, text='look_up({"town)', error="broken")
    assert judge(other, CALL).verdict == "failed"


def _score(verdict: Verdict, *, name: str = "stall", best: Verdict = "rescued") -> Score:
    return Score(
        name=name,
        wire="openai",
        form="whole",
        heard=Heard(ended="whole", status=200, seconds=0.1234567),
        provider=ProviderView(attempts=2, rescues=1, abandoned=1, lingering=0, sent_bytes=9),
        judgement=Judgement(verdict=verdict, reason="because"),
        best=best,
    )


def test_totals_count_every_verdict() -> None:
    """Those that nobody got are told too, and only what can be rescued counts as such."""
    card = Scorecard((_score("rescued"), _score("safe"), _score("safe", name="fail_400", best="safe")))
    assert card.totals == {"rescued": 1, "partial": 0, "safe": 2, "failed": 0}
    assert (card.rescuable, card.has_failed) == (2, False)
    assert summary(card) == "3 calls: 1 rescued, 0 partial, 2 safe, 0 failed; 1 of 2 that can be rescued were"
    assert Scorecard((_score("failed"),)).has_failed


def test_json_holds_both_views() -> None:
    """What the caller got and what the provider saw stand beside the verdict."""
    told = json.loads(json.dumps(described(Scorecard((_score("rescued"),)))))
    row = told["data"][0]
    assert (row["verdict"], row["caller"]["seconds"], row["provider"]["attempts"]) == ("rescued", 0.123, 2)
