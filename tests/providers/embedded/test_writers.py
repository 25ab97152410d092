"""Events as bytes in OpenAI's dialect."""

from __future__ import annotations

from narthex.providers.embedded.writers import writer_for
from narthex.types.answers import FinishReason
from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Event, Finished, Started, TextDelta, UsageReported
from narthex.types.folding import fold
from narthex.types.requests import ChatRequest
from narthex.types.usage import Usage
from narthex.wire.openai_chat import OPENAI_CHAT

EVENTS: list[Event] = [
    Started(id="chatcmpl-1", model="smollm2", created_at=1, extra_dialect=Dialect.OPENAI_CHAT),
    TextDelta(text="Hel"),
    TextDelta(text="lo"),
    Finished(reason=FinishReason.STOP),
    UsageReported(usage=Usage(input_tokens=3, output_tokens=2)),
    Ended(),
]


def _written(*, stream: bool) -> list[bytes]:
    writer = writer_for(ChatRequest(model="smollm2", messages=(), stream=stream, include_usage=True))
    return [writer.write(event) for event in EVENTS]


def test_a_streamed_answer_is_written_as_it_comes() -> None:
    """Frames for each event, `[DONE]` last; read back, it is the same answer."""
    frames = _written(stream=True)
    assert frames[-1].endswith(b"data: [DONE]\n\n")
    assert b"Hel" in frames[1]
    assert fold(OPENAI_CHAT.parser().feed(b"".join(frames))) == fold(EVENTS)


def test_a_whole_answer_is_written_at_its_end() -> None:
    """Nothing before the end; read back, it is the same answer."""
    written = _written(stream=False)
    assert set(written[:-1]) == {b""}
    assert OPENAI_CHAT.decode_answer(written[-1]) == fold(EVENTS)
