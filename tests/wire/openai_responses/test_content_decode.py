"""From the parts of an item to parts of a message."""

from __future__ import annotations

import msgspec
import pytest

from narthex.errors import InvalidRequest
from narthex.types.answers import TokenLogprob
from narthex.types.messages import Audio, File, Image, Refusal, Text
from narthex.wire.openai_responses.content_decode import logprobs_of, parts_of, result_parts
from narthex.wire.openai_responses.schema import ContentBody, LogprobBody

EVERY_KIND: list[dict[str, object]] = [
    {"type": "input_text", "text": "a"},
    {"type": "output_text", "text": "b", "annotations": []},
    {"type": "refusal", "refusal": "no"},
    {"type": "input_image", "image_url": "https://a.test/b.png", "detail": "high"},
    {"type": "input_image", "image_url": "data:image/png;base64,aGk="},
    {"type": "input_image", "file_id": "file-1"},
    {"type": "input_file", "file_data": "data:text/plain;base64,aGk=", "filename": "x.txt"},
    {"type": "input_file", "file_data": "aGk="},
    {"type": "input_file", "file_url": "https://a.test/x.pdf"},
    {"type": "input_file", "file_id": "file-2"},
    {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
]
READ = (
    Text(text="a"),
    Text(text="b"),
    Refusal(text="no"),
    Image(url="https://a.test/b.png", detail="high"),
    Image(data="aGk=", media_type="image/png"),
    Image(file_id="file-1"),
    File(data="aGk=", media_type="text/plain", filename="x.txt"),
    File(data="aGk="),
    File(url="https://a.test/x.pdf"),
    File(file_id="file-2"),
    Audio(data="aGk=", format="wav"),
)


def contents(*bodies: dict[str, object]) -> list[ContentBody]:
    """Read contents."""
    return msgspec.convert(list(bodies), list[ContentBody])


def test_every_kind_of_part_is_read() -> None:
    """Texts, pictures, files, sounds and refusals, in each of their forms."""
    assert parts_of(contents(*EVERY_KIND), "input.0.content") == READ


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"type": "input_text"}, "c.0.text"),
        ({"type": "input_image"}, "c.0.image_url"),
        ({"type": "input_image", "image_url": "data:x"}, "c.0.image_url"),
        ({"type": "input_image", "image_url": "x", "detail": "huge"}, "c.0.detail"),
        ({"type": "input_file"}, "c.0.file_data"),
        ({"type": "video"}, "c.0.type"),
    ],
)
def test_what_is_wrong_with_a_part_is_named(body: dict[str, object], param: str) -> None:
    """The path leads to the field."""
    with pytest.raises(InvalidRequest) as caught:
        parts_of(contents(body), "c")
    assert caught.value.param == param


def test_the_result_of_a_tool_is_text_pictures_or_files() -> None:
    """A text alone will do; a sound will not."""
    assert result_parts("ok", "o") == (Text(text="ok"),)
    with pytest.raises(InvalidRequest):
        result_parts(contents({"type": "refusal", "refusal": "no"}), "o")


def test_log_probabilities_are_read_with_their_rivals() -> None:
    """None told is none."""
    body = LogprobBody(token="a", logprob=-1.0, bytes=[97], top_logprobs=[LogprobBody(token="b", logprob=-2.0)])
    top = (TokenLogprob(token="b", logprob=-2.0),)
    assert logprobs_of([body]) == (TokenLogprob(token="a", logprob=-1.0, token_bytes=(97,), top=top),)
    assert logprobs_of(None) is None
