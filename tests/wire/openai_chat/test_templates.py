"""A frame fits a template only if it differs in nothing but what is said."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.wire.openai_chat.templates import Template, template_of
from tests.wire.openai_chat.strategies import words


def frame(said: str, *, ascii_only: bool = False, finish: str | None = None, more: str = "zz") -> bytes:
    """Write a frame with two strings that may differ."""
    choice = {"index": 0, "delta": {"content": said}, "finish_reason": finish}
    return (
        b"data: " + json.dumps({"choices": [choice], "obfuscation": more}, ensure_ascii=ascii_only).encode() + b"\n\n"
    )


def learned(raw: bytes) -> Template:
    """Make a template that must be there."""
    template = template_of(raw)
    assert template is not None
    return template


@given(words, words, words, st.booleans())
def test_the_same_frame_with_other_words_fits(first: str, said: str, more: str, ascii_only: bool) -> None:
    """A frame that fits is found whole, unless a backslash makes it doubtful."""
    block = frame(said, ascii_only=ascii_only, more=more)
    end = learned(frame(first)).end_of(block + frame(first), 0)
    assert end in {len(block), -1}
    if "\\" not in said and "\\" not in more:
        assert end == len(block)


@given(words, words)
def test_another_structure_never_fits(first: str, said: str) -> None:
    """An end, a further member or a further choice is seen whatever is said around it."""
    template = learned(frame(first))
    finished = frame(said, finish="stop")
    assert template.end_of(finished, 0) == -1
    more = frame("CUT").replace(b"CUT", b'a"},"finish_reason":"stop"},{"index":1,"delta":{"content":"b')
    assert template.end_of(more, 0) == -1
    assert template.end_of(b": comment\n\n", 0) == -1


@pytest.mark.parametrize("said", [b"a\\", b"a\\\\", b'a\\\\"', b'a"', b'\\\\"},"x":"'])
def test_doubtful_strings_do_not_fit(said: bytes) -> None:
    """Where a backslash or a quotation mark could end the string elsewhere, the frame is read."""
    assert learned(frame("x")).end_of(frame("CUT").replace(b"CUT", said), 0) == -1


def test_quoted_speech_fits() -> None:
    """Escaped quotation marks, as in code, are part of what is said."""
    block = frame('print("hi")')
    assert learned(frame("x")).end_of(block, 0) == len(block)


@pytest.mark.parametrize(
    "raw",
    [
        b'data: {"choices":[]}\n\n',
        b'data: {"content":"a"}\r\n\r\n',
        b'data: {"content":"a",\ndata: "x":1}\n\n',
        b'event: x\ndata: {"content":"a"}\n\n',
        b': comment "content":"a"\n\n',
    ],
)
def test_unusual_frames_make_no_template(raw: bytes) -> None:
    """Only a single line of data that says something is worth remembering."""
    assert template_of(raw) is None


PIECES = st.one_of(
    st.text(max_size=12).map(lambda said: json.dumps(said)[1:-1].encode()),
    st.sampled_from(
        [b"\\", b"\\\\", b'"', b'\\"', b'\\\\"', b"\n", b"\r", b'"}}],"finish_reason":"stop"', b"\n\ndata: "]
    ),
    st.binary(max_size=6),
)


@given(st.lists(PIECES, min_size=1, max_size=6), st.booleans())
def test_what_is_seen_at_a_glance_is_what_is_found_frame_by_frame(said: list[bytes], cut: bool) -> None:
    """Whatever stands between head and tail, a run counted at once holds whole frames that fit."""
    raw = b'data: {"choices":[{"delta":{"content":"CUT"}}]}\n\n'
    template = learned(raw)
    frames = [raw.replace(b"CUT", piece) for piece in said]
    block = b"".join(frames)[: -1 if cut else None]
    at_once = template.frames_of(block)
    run, end = template.run_of(block, 0)
    assert at_once in {0, len(said)}
    assert end == len(b"".join(frames[:run]))
    for piece in said[: max(at_once, run)]:
        assert re.fullmatch(rb'(?:[^"\\\r\n]|\\[^\r\n])*', piece)


def test_a_block_shorter_than_its_template_does_not_fit() -> None:
    """Head and tail that overlap are not a frame."""
    template = learned(b'data: {"content":"x"}\n\n')
    assert template.frames_of(b'data: {"content":"}\n\n') == 0
    assert template.frames_of(b'data: {"content":""}\n\n') == 1
    assert template.frames_of(b'data: {"content":"a"}\n\ndata: {"content":"b"}\n\n') == 2


def alone(said: str, role: str = "") -> bytes:
    """Write a frame with one string that may differ; one with a role is of another kind."""
    delta = {"role": role, "content": said} if role else {"content": said}
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"


@given(st.lists(st.tuples(words, st.sampled_from(["", "", "", "assistant"])), max_size=60))
def test_a_run_ends_before_the_first_that_does_not_fit(frames: list[tuple[str, str]]) -> None:
    """However far it is looked ahead, neither more nor fewer frames are passed over than fit one by one."""
    template = learned(alone("x"))
    raw = [alone(*one) for one in frames]
    place = 0
    while place < len(raw):
        fitting = len(list(itertools.takewhile(lambda one: not one[1], frames[place:])))
        count, end = template.run_of(b"".join(raw), len(b"".join(raw[:place])))
        assert count <= fitting
        assert end == len(b"".join(raw[: place + count]))
        if not any("\\" in said or '"' in said for said, _ in frames):
            assert count == fitting
        place += count or 1


def test_looking_ahead_costs_no_more_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames of another kind among many do not have the others looked over again for each of them."""
    looked: list[int] = []
    all_fit = Template._all_fit

    def counting(self: Template, frames: list[bytes]) -> bool:
        looked.append(len(frames))
        return all_fit(self, frames)

    monkeypatch.setattr(Template, "_all_fit", counting)
    template = learned(alone("x"))
    frames = [alone(f"word {number}", "" if number % 40 else "assistant") for number in range(1, 4_000)]
    block, at, passed = b"".join(frames), 0, 0
    while at < len(block):
        count, end = template.run_of(block, at)
        passed += count
        at = end if count else block.index(b"\n\n", at) + 2
    assert passed == len(frames) - 4_000 // 40 + 1
    assert sum(looked) < 10 * len(frames)
