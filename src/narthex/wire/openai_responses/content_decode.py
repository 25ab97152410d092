"""From the parts of an item to parts of a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from narthex.errors import InvalidRequest
from narthex.types.answers import TokenLogprob
from narthex.types.messages import Audio, File, Image, Part, Refusal, Text
from narthex.wire.openai_chat.message_decoding import split_data_url
from narthex.wire.openai_responses.bodies import given
from narthex.wire.openai_responses.schema import ContentBody, LogprobBody

_DETAILS = frozenset({"auto", "low", "high", "original"})
_KINDS = "input_text, input_image, input_file, input_audio, output_text or refusal"


def parts_of(content: str | Sequence[ContentBody] | None, where: str) -> tuple[Part, ...]:
    """Return what an item says.

    Raises:
        InvalidRequest: A part is not of this dialect.
    """
    if content is None or isinstance(content, str):
        return (Text(text=content),) if content else ()
    return tuple(_part(body, f"{where}.{number}") for number, body in enumerate(content))


def result_parts(output: str | Sequence[ContentBody] | None, where: str) -> tuple[Text | Image | File, ...]:
    """Return what a tool gave back.

    Raises:
        InvalidRequest: It is more than text, pictures and files.
    """
    parts = parts_of(output, where)
    kept = tuple(part for part in parts if isinstance(part, (Text, Image, File)))
    if len(kept) < len(parts):
        raise InvalidRequest(f"{where}: the result of a tool is input_text, input_image or input_file", param=where)
    return kept


def logprobs_of(bodies: Sequence[LogprobBody] | None) -> tuple[TokenLogprob, ...] | None:
    """Return the log probabilities of a text, if they were told."""
    return tuple(_logprob(body) for body in bodies) if bodies else None


def _logprob(body: LogprobBody) -> TokenLogprob:
    return TokenLogprob(
        token=body.token,
        logprob=body.logprob,
        token_bytes=None if body.bytes is None else tuple(body.bytes),
        top=tuple(_logprob(top) for top in body.top_logprobs or ()),
    )


def _part(body: ContentBody, where: str) -> Part:
    match body.type:
        case "input_text" | "output_text" | "text":
            return Text(text=given(body.text, f"{where}.text"), citations=tuple(body.annotations or ()))
        case "refusal":
            return Refusal(text=given(body.refusal, f"{where}.refusal"))
        case "input_image":
            return _image(body, where)
        case "input_file":
            return _file(body, where)
        case "input_audio":
            audio = given(body.input_audio, f"{where}.input_audio")
            return Audio(data=audio.data, format=audio.format)
        case _:
            raise InvalidRequest(
                f"{where}.type: unknown kind of part {body.type!r}; use {_KINDS}", param=f"{where}.type"
            )


def _image(body: ContentBody, where: str) -> Image:
    if body.detail is not None and body.detail not in _DETAILS:
        raise InvalidRequest(
            f"{where}.detail: unknown detail {body.detail!r}; use auto, low, high or original", param=f"{where}.detail"
        )
    detail = cast("Literal['auto', 'low', 'high', 'original'] | None", body.detail)
    if body.file_id is not None:
        return Image(file_id=body.file_id, detail=detail)
    url = given(body.image_url, f"{where}.image_url")
    if not url.startswith("data:"):
        return Image(url=url, detail=detail)
    media_type, data = _split(url, f"{where}.image_url")
    return Image(data=data, media_type=media_type, detail=detail)


def _file(body: ContentBody, where: str) -> File:
    if body.file_id is not None:
        return File(file_id=body.file_id, filename=body.filename)
    if body.file_url is not None:
        return File(url=body.file_url, filename=body.filename)
    data = given(body.file_data, f"{where}.file_data")
    if not data.startswith("data:"):
        return File(data=data, filename=body.filename)
    media_type, data = _split(data, f"{where}.file_data")
    return File(data=data, media_type=media_type, filename=body.filename)


def _split(url: str, where: str) -> tuple[str, str]:
    split = split_data_url(url)
    if split is None:
        raise InvalidRequest(f"{where}: this data URL is not base64; write data:<type>;base64,<data>", param=where)
    return split
