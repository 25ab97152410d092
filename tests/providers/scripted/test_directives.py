"""What prompts may ask for."""

from __future__ import annotations

import pytest

from narthex.errors import Failure, ProviderRejected
from narthex.providers.scripted.directives import read_directives
from narthex.providers.scripted.prompts import read_prompt
from narthex.testing.scenarios import Fail, Stall
from tests.providers.scripted.calls import asked


def test_directives_are_taken_out_of_the_prompt() -> None:
    """Wishes and faults are read, and the prompt is what is left; what is not ours stays."""
    prompt = read_prompt("m", asked("[[fail 503]] Tell me of [[wiki links]] [[tokens 5]] [[stall 2 after_chunks=1]]"))
    left, wishes, scenarios = read_directives(prompt, "demo")
    assert left.text == "Tell me of [[wiki links]]"
    assert wishes.tokens == 5
    assert scenarios == [Fail(status=503), Stall(seconds=2, after_chunks=1)]


def test_answers_can_be_dictated() -> None:
    """A prompt may dictate the reply or the tool."""
    prompt = read_prompt("m", asked("[[reply So be it.]] [[call_tool clock]]"))
    _, wishes, _ = read_directives(prompt, "demo")
    assert wishes.reply == "So be it."
    assert wishes.tool is not None
    assert wishes.tool.name == "clock"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[fail x]]", "status"),
        ("[[fail 200]]", "status"),
        ("[[fail 500 now then and when]]", "no further 'and'"),
        ("[[outage 3]]", "no further '3'"),
        ("[[stall every=2]]", "takes seconds, after_chunks, not 'every'"),
        ("[[tokens many]]", "a number from 1"),
        ("[[tokens 0]]", "a number from 1"),
        ("[[split_utf8]]", "needs a socket"),
        ("[[flap 2]]", "goes over many calls"),
    ],
)
def test_mistakes_are_told(text: str, words: str) -> None:
    """A directive that cannot be followed is the caller's mistake, in words."""
    with pytest.raises(ProviderRejected, match=words) as caught:
        read_directives(read_prompt("m", asked(text)), "demo")
    assert caught.value.failure is Failure.INVALID_REQUEST
