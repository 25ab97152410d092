"""Tests of one answer of several models, written for its caller."""

from __future__ import annotations

import json

from narthex.errors import NarthexError
from narthex.pipeline.merged_answers import OneAnswer
from narthex.pipeline.merged_writing import EventWriter, FrameWriter, WholeWriter, WrappingWriter, Writer
from narthex.streams.merging import Over, Said, Step
from narthex.streams.stream import Frame
from narthex.types.answers import FinishReason
from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Finished, Started, TextDelta
from narthex.types.folding import fold
from narthex.types.merging import MergeMode
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest
from narthex.types.usage import Usage

REQUEST = ChatRequest(model="m", messages=(Message(role="user", parts=(Text(text="hi"),)),), stream=True)
TOLD = {"merge": "race", "sources": []}
STEPS: list[Step] = [
    Said(0, Started(id="a", model="m", created_at=1)),
    Said(0, TextDelta(text='brace }\n\n" and ,')),
    Said(0, Finished(reason=FinishReason.STOP)),
    Said(0, Ended()),
    Over(0, None),
]
BROKEN: list[Step] = [
    *STEPS,
    Said(1, Started(id="b", model="n", created_at=1)),
    Said(1, TextDelta(text="half")),
    Over(1, NarthexError("it broke")),
]


def one(mode: MergeMode) -> OneAnswer:
    """Return what makes one answer of two sources."""
    return OneAnswer(mode, ["a/x", "b/y"], Started(id="merge-1", model="both", created_at=2))


def written(writer: Writer, steps: list[Step]) -> list[Frame]:
    """Return all that is written."""
    return [*writer.write(steps), *writer.end(Usage(input_tokens=3, output_tokens=4), TOLD)]


def data_of(frames: list[Frame]) -> list[dict[str, object]]:
    """Return the data of all events but the closing mark."""
    text = b"".join(frame for frame in frames if isinstance(frame, bytes)).decode()
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def test_every_frame_of_content_tells_its_source() -> None:
    """In each dialect frames stay well-formed, whatever the text holds, and content is marked with its source."""
    for dialect in (Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.OPENAI_RESPONSES):
        data = data_of(written(FrameWriter(one("race"), dialect, REQUEST), STEPS))
        said = [event for event in data if "brace" in json.dumps(event) and "narthex" in event]
        assert said
        assert all(event["narthex"] == {"source": "a/x"} for event in said if event.get("type") != "response.completed")
        assert "sources" in json.dumps(data)


def test_a_broken_choice_ends_in_an_error() -> None:
    """Its last chunk says `error` and why, and no other does."""
    data = data_of(written(FrameWriter(one("interleave"), Dialect.OPENAI_CHAT, REQUEST), BROKEN))
    ends = [event for event in data if '"finish_reason": "' in json.dumps(event)]
    assert ['"finish_reason": "error"' in json.dumps(event) for event in ends] == [False, True]
    assert "it broke" in json.dumps(ends[1]["narthex"])


def test_whole_answers() -> None:
    """A body is the fold of the stream, with what is told beside it, and per choice what is told of that."""
    writer = WholeWriter(one("interleave"))
    assert not written(writer, BROKEN)
    body = json.loads(writer.body(Dialect.OPENAI_CHAT, REQUEST))
    assert [choice["finish_reason"] for choice in body["choices"]] == ["stop", "error"]
    assert body["choices"][1]["narthex"]["source"] == "b/y"
    assert body["narthex"] == TOLD
    assert body["usage"]["total_tokens"] == 7


def test_events_of_the_inner_vocabulary() -> None:
    """Within the process the answer is events, its end with what is told."""
    frames = written(EventWriter(one("race")), STEPS)
    events = [frame for frame in frames if not isinstance(frame, bytes)]
    assert fold(events).choices[0].finish_reason is FinishReason.STOP
    assert [event.told for event in events if isinstance(event, Finished)] == [{"source": "a/x", **TOLD}]


def test_wrapped_events() -> None:
    """Each source's chunks stand as they are within events that are numbered, and the last is of none."""
    requests = [REQUEST, ChatRequest(model="n", messages=REQUEST.messages)]
    frames = written(WrappingWriter("interleave", requests, "req_1"), BROKEN)
    data = data_of(frames)
    assert [event["seq"] for event in data] == list(range(1, len(data) + 1))
    assert {(event["source"], event["index"]) for event in data[:-1]} == {("m", 0), ("n", 1)}
    assert "it broke" in json.dumps(data[-2]["event"])
    assert data[-1]["source"] is None
    assert frames[-1] == b"data: [DONE]\n\n"
