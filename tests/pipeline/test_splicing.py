"""A cut answer and its continuation read as one: nothing twice, nothing missing, nothing made up."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.pipeline.splicing import MIN_OVERLAP, Seam, SeamMismatch, Transcript, Way, continuing, joined_usage
from narthex.types.answers import FinishReason
from narthex.types.events import Event, Finished, ReasoningDelta, RefusalDelta, Started, TextDelta, ToolCallStarted
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest
from narthex.types.usage import Usage

POEM = "The owl and the pussycat went to sea in a beautiful pea green boat; they took some honey, and plenty of money."
ASKED = ChatRequest(model="m", messages=(Message(role="user", parts=(Text(text="Recite."),)),), max_output_tokens=100)


def joined(said: str, pieces: list[str], *, way: Way = "told") -> str:
    """Return what a caller has read at the end."""
    seam = Seam(said, way)
    return said + "".join(seam.feed(piece) for piece in pieces) + seam.close()


def in_pieces(text: str, cuts: list[int]) -> list[str]:
    """Cut a text at these places."""
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in pairwise(places)]


@given(st.integers(0, len(POEM)), st.integers(0, 40), st.lists(st.integers(0, 200), max_size=8))
def test_a_continuation_that_repeats_the_last_words_is_joined(cut: int, repeated: int, cuts: list[int]) -> None:
    """However much of its end is said again, the answer is whole and says everything once."""
    said = POEM[:cut]
    if 0 < repeated < MIN_OVERLAP:
        repeated = 0
    again = POEM[max(0, cut - repeated) :]
    assert joined(said, in_pieces(again, cuts)) == POEM


@given(st.integers(0, len(POEM)), st.lists(st.integers(0, 200), max_size=8), st.sampled_from(get_args(Way)))
def test_an_answer_that_starts_afresh_is_joined(cut: int, cuts: list[int], way: Way) -> None:
    """A model that says all of it again is heard only from the cut on."""
    assert joined(POEM[:cut], in_pieces(POEM, cuts), way=way) == POEM


@given(st.text(max_size=30), st.text(max_size=30), st.lists(st.integers(0, 60), max_size=4))
def test_nothing_is_lost_or_made_up(said: str, more: str, cuts: list[int]) -> None:
    """What is delivered ends with the end of the continuation, and begins with what was delivered."""
    whole = joined(said, in_pieces(more, cuts))
    assert whole.startswith(said)
    assert (said + more).endswith(whole[len(said) :])


def test_a_restart_that_differs_does_not_fit() -> None:
    """Two different answers are never made one."""
    seam = Seam("The owl and", "restart")
    with pytest.raises(SeamMismatch):
        seam.feed("The cat and the fiddle")
    short = Seam("The owl and", "restart")
    assert short.feed("The owl") == ""
    with pytest.raises(SeamMismatch):
        short.close()


def test_a_space_is_not_said_twice() -> None:
    """White space at the cut is one, whichever side wrote it."""
    assert joined("went to ", [" sea"]) == "went to sea"
    assert joined("went to", [" sea"]) == "went to sea"


def test_a_model_that_goes_on_by_itself_repeats_nothing() -> None:
    """Words that happen to be the last ones again are said twice, as the model meant it."""
    assert joined("said banana ", ["banana split"], way="prefill") == "said banana banana split"
    assert joined("said ", [" banana"], way="prefill") == "said banana"


def test_a_model_is_asked_to_go_on() -> None:
    """One that continues its own words is given them; another is also told what to do."""
    given_on = continuing(ASKED, "The owl ", prefill=True)
    assert [message.role for message in given_on.messages] == ["user", "assistant"]
    assert given_on.messages[1].parts == (Text(text="The owl"),)
    told = continuing(ASKED, "The owl " * 20, prefill=False)
    assert [message.role for message in told.messages] == ["user", "assistant", "user"]
    assert told.max_output_tokens == 60
    assert continuing(ASKED, "The owl " * 200, prefill=False).max_output_tokens == 16
    assert continuing(ASKED, " ", prefill=False) is ASKED


@pytest.mark.parametrize(
    "event",
    [
        ToolCallStarted(id="1", name="f"),
        RefusalDelta(text="no"),
        TextDelta(text="b", choice=1),
        Finished(reason=FinishReason.STOP),
    ],
)
def test_only_text_of_one_choice_can_be_continued(event: Event) -> None:
    """Tool calls, refusals, several choices and ends are not joined with anything."""
    begun: list[Event] = [Started(id="x", model="m", created_at=1), ReasoningDelta(text="hm"), TextDelta(text="a")]
    transcript = Transcript(begun)
    assert (transcript.text, transcript.reasoned, transcript.can_be_continued) == ("a", True, True)
    assert transcript.started == begun[0]
    assert not Transcript([*begun, event]).can_be_continued


def test_the_usage_of_two_attempts_is_an_estimate() -> None:
    """Input once, output of both, and marked."""
    told = joined_usage(Usage(input_tokens=10), 5, Usage(input_tokens=99, output_tokens=7, cache_read_tokens=3)).usage
    assert told == Usage(input_tokens=10, output_tokens=12, cache_read_tokens=3, estimated=True)
    assert joined_usage(None, 5, Usage(input_tokens=9)).usage.input_tokens == 9
    assert joined_usage(None, 5, None).usage.output_tokens == 5
