"""Messages of a client, read into the inner vocabulary."""

from __future__ import annotations

from typing import Literal, TypeVar, cast

import msgspec

from narthex.errors import InvalidRequest, UnsupportedContent
from narthex.types.messages import (
    Audio,
    CacheMarker,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from narthex.wire.openai_chat.schema import (
    CacheControl,
    FunctionCallBody,
    ImageUrl,
    MessageBody,
    PartBody,
    ReasoningDetail,
    ToolCallBody,
)

_Value = TypeVar("_Value")

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_DETAILS = frozenset({"auto", "low", "high", "original"})
_TTLS = frozenset({"5m", "1h"})


class MessageDecoder:
    """Reads the messages of one request, oldest first."""

    def __init__(self) -> None:
        self._function_call_ids: dict[str, str] = {}
        """By name, the ID given to the last legacy `function_call`: its result names only the function."""

    def decode(self, index: int, body: MessageBody) -> Message:
        """Read the message at `index`.

        Raises:
            InvalidRequest: It is not a message of this dialect.
            UnsupportedContent: It holds what the inner vocabulary has no word for.
        """
        where = f"messages.{index}"
        if body.role == "function":
            return self._function_result(body, where)
        if body.role not in _ROLES:
            expected = "system, developer, user, assistant, tool or function"
            raise InvalidRequest(f"{where}.role: unknown role {body.role!r}; use {expected}", param=f"{where}.role")
        role = cast("Role", body.role)
        parts = _content(body, f"{where}.content")
        if role == "tool":
            parts = (_tool_result(body, parts, where),)
        elif role == "assistant":
            parts = self._assistant_parts(body, parts, where)
        return Message(role=role, parts=parts, name=body.name)

    def _assistant_parts(self, body: MessageBody, content: tuple[Part, ...], where: str) -> tuple[Part, ...]:
        parts = [*_reasoning(body), *content]
        if body.refusal:
            parts.append(Refusal(text=body.refusal))
        for number, call in enumerate(body.tool_calls or ()):
            parts.append(_tool_call(call, f"{where}.tool_calls.{number}"))
        if body.function_call is not None:
            call_id = f"call_{where.replace('.', '_')}"
            self._function_call_ids[body.function_call.name] = call_id
            parts.append(_called(call_id, body.function_call, cache=None))
        if body.audio is not None and not parts:
            raise UnsupportedContent(
                f"{where}.audio: a spoken answer is known to its own provider only; send its transcript as content",
                param=f"{where}.audio",
            )
        return tuple(parts)

    def _function_result(self, body: MessageBody, where: str) -> Message:
        call_id = self._function_call_ids.get(body.name or "")
        if call_id is None:
            raise InvalidRequest(
                f"{where}.name: no earlier function_call has the name {body.name!r}", param=f"{where}.name"
            )
        parts = _content(body, f"{where}.content")
        result = ToolResult(tool_call_id=call_id, parts=_result_parts(parts, where))
        return Message(role="tool", parts=(result,), name=body.name)


def cache_marker(control: CacheControl | None) -> CacheMarker | None:
    """Read a mark to cache the prompt."""
    if control is None:
        return None
    ttl = control.ttl if control.ttl in _TTLS else None
    return CacheMarker(ttl=cast("Literal['5m', '1h'] | None", ttl))


def reasoning_part(detail: ReasoningDetail) -> Reasoning | None:
    """Read one piece of reasoning, or None if it says nothing."""
    if detail.data is not None:
        return Reasoning(redacted=detail.data)
    text = detail.text or detail.summary or ""
    signature = detail.signature or None
    return Reasoning(text=text, signature=signature) if text or signature else None


def split_data_url(url: str) -> tuple[str, str] | None:
    """Return MIME type and base64 of a `data:` URL, or None if it is not one in base64."""
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return None
    return head[5:-7], data


def _reasoning(body: MessageBody) -> list[Part]:
    """Read what the model thought: the details where there are any, for only they hold signatures."""
    parts: list[Part] = [part for detail in body.reasoning_details or () if (part := reasoning_part(detail))]
    text = body.reasoning_content or body.reasoning
    if not parts and text:
        parts.append(Reasoning(text=text))
    return parts


def _content(body: MessageBody, where: str) -> tuple[Part, ...]:
    content = body.content
    if not content:
        return ()
    if isinstance(content, str):
        return (Text(text=content),)
    return tuple(_part(part, f"{where}.{number}") for number, part in enumerate(content))


def _part(part: PartBody, where: str) -> Part:
    match part.type:
        case "text":
            return Text(text=_given(part.text, f"{where}.text"), cache=cache_marker(part.cache_control))
        case "refusal":
            return Refusal(text=_given(part.refusal, f"{where}.refusal"))
        case "image_url":
            return _image(part, f"{where}.image_url")
        case "input_audio":
            audio = _given(part.input_audio, f"{where}.input_audio")
            return Audio(data=audio.data, format=audio.format)
        case "file":
            return _file(part, f"{where}.file")
        case _:
            raise InvalidRequest(
                f"{where}.type: unknown kind of part {part.type!r}; use text, image_url, input_audio, file or refusal",
                param=f"{where}.type",
            )


def _image(part: PartBody, where: str) -> Image:
    if part.image_url is None:
        raise _missing(where)
    image = ImageUrl(part.image_url) if isinstance(part.image_url, str) else part.image_url
    if image.detail is not None and image.detail not in _DETAILS:
        raise InvalidRequest(
            f"{where}.detail: unknown detail {image.detail!r}; use auto, low, high or original", param=f"{where}.detail"
        )
    detail = cast("Literal['auto', 'low', 'high', 'original'] | None", image.detail)
    cache = cache_marker(part.cache_control)
    if not image.url.startswith("data:"):
        return Image(url=image.url, detail=detail, cache=cache)
    media_type, data = _split(image.url, f"{where}.url")
    return Image(data=data, media_type=media_type, detail=detail, cache=cache)


def _file(part: PartBody, where: str) -> File:
    file = _given(part.file, where)
    cache = cache_marker(part.cache_control)
    if file.file_id is not None:
        return File(file_id=file.file_id, filename=file.filename, cache=cache)
    given = _given(file.file_data, f"{where}.file_data")
    if given.startswith(("https://", "http://")):
        return File(url=given, filename=file.filename, cache=cache)
    if not given.startswith("data:"):
        return File(data=given, filename=file.filename, cache=cache)
    media_type, data = _split(given, f"{where}.file_data")
    return File(data=data, media_type=media_type, filename=file.filename, cache=cache)


def _tool_call(call: ToolCallBody, where: str) -> ToolCall:
    if call.function is None:
        if call.type not in (None, "function"):
            raise UnsupportedContent(
                f"{where}.type: a call of kind {call.type!r} cannot be translated; use function tools",
                param=f"{where}.type",
            )
        raise _missing(f"{where}.function")
    return _called(_given(call.id, f"{where}.id"), call.function, cache=cache_marker(call.cache_control))


def _called(call_id: str, function: FunctionCallBody, *, cache: CacheMarker | None) -> ToolCall:
    arguments = function.arguments or ""
    if not isinstance(arguments, str):
        arguments = msgspec.json.encode(arguments).decode()
    return ToolCall(id=call_id, name=function.name, arguments=arguments, cache=cache)


def _tool_result(body: MessageBody, parts: tuple[Part, ...], where: str) -> ToolResult:
    return ToolResult(
        tool_call_id=_given(body.tool_call_id, f"{where}.tool_call_id"),
        parts=_result_parts(parts, where),
        cache=cache_marker(body.cache_control),
    )


def _result_parts(parts: tuple[Part, ...], where: str) -> tuple[Text | Image | File, ...]:
    kept = [part for part in parts if isinstance(part, (Text, Image, File))]
    for number, part in enumerate(parts):
        if not isinstance(part, (Text, Image, File)):
            param = f"{where}.content.{number}.type"
            raise InvalidRequest(f"{param}: the result of a tool is text, image_url or file", param=param)
    return tuple(kept)


def _split(url: str, where: str) -> tuple[str, str]:
    split = split_data_url(url)
    if split is None:
        raise InvalidRequest(f"{where}: this data URL is not base64; write data:<type>;base64,<data>", param=where)
    return split


def _given(value: _Value | None, where: str) -> _Value:
    if value is None:
        raise _missing(where)
    return value


def _missing(where: str) -> InvalidRequest:
    return InvalidRequest(f"{where}: this field is required here", param=where)
