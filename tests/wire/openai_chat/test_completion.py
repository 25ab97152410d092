"""When a streamed answer is whole."""

from __future__ import annotations

import json

import pytest

from narthex.wire.contract import MalformedStream, TruncatedStream
from narthex.wire.openai_chat.chunks import read_answer
from narthex.wire.openai_chat.completion import Completion


def after(*choices: tuple[int, str | None]) -> Completion:
    """Let choices say something or end, one chunk each."""
    completion = Completion()
    for index, finish in choices:
        chunk = read_answer(json.dumps({"choices": [{"index": index, "finish_reason": finish}]}).encode())
        assert chunk is not None
        completion.note(chunk)
    return completion


def test_every_choice_must_end() -> None:
    """One answer is whole at its reason, two at both reasons."""
    assert after((0, None), (0, "stop")).finished
    assert not after((0, "stop"), (1, None)).finished
    assert after((1, None), (0, "stop"), (1, "length")).finished


def test_nothing_is_not_whole() -> None:
    """Before any chunk nothing has finished, and nothing was of this dialect."""
    with pytest.raises(MalformedStream):
        Completion().check_end()
    assert not Completion().finished


def test_done_does_not_make_it_whole() -> None:
    """`[DONE]` without a reason is the end of a cut answer."""
    completion = after((0, None))
    completion.note_done()
    assert completion.done
    with pytest.raises(TruncatedStream, match="choice 0"):
        completion.check_end()


def test_done_alone_is_of_this_dialect() -> None:
    """An empty stream that is closed properly is cut, not foreign."""
    completion = Completion()
    completion.note_done()
    with pytest.raises(TruncatedStream, match="no choice"):
        completion.check_end()


def test_a_whole_answer_may_end() -> None:
    """Nothing is raised behind the last reason."""
    completion = after((0, "stop"))
    completion.check_end()
    assert completion.started == {0}
