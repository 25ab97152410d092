"""Messages of the inner vocabulary, written for a provider."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from narthex.errors import UnsupportedContent
from narthex.types.messages import (
    Audio,
    CacheMarker,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)

Body = dict[str, object]


class MessageEncoder:
    """Writes the messages of one request.

    What only some providers of this dialect take is written for a caller who spoke it and so chose it: marks to cache
    the prompt, signed reasoning, pictures in results of tools. For any other caller the first two are dropped, as
    strict providers refuse fields that they do not know, and the last is refused here.
    """

    def __init__(self, *, own: bool) -> None:
        """Start with nothing dropped.

        Args:
            own: Whether the caller spoke this dialect.
        """
        self._own = own
        self.dropped: set[str] = set()
        """What was left out, by the field names of `ChatRequest`, or `cache`."""

    def encode(self, index: int, message: Message) -> list[Body]:
        """Write the message at `index`; one with several results of tools becomes several.

        Raises:
            UnsupportedContent: It holds what this dialect cannot carry.
        """
        where = f"messages.{index}"
        bodies: list[Body]
        if message.role == "tool":
            bodies = [self._result(part, f"{where}.content.{number}") for number, part in enumerate(message.parts)]
        elif message.role == "assistant":
            bodies = [self._assistant(message.parts, where)]
        else:
            bodies = [{"role": message.role, "content": self._content(message.parts, where)}]
        if message.name is not None:
            for body in bodies:
                body["name"] = message.name
        return bodies

    def cache_control(self, cache: CacheMarker | None) -> Body:
        """Return the member that marks the prompt to be cached up to here, if there is to be one."""
        if cache is None:
            return {}
        if not self._own:
            self.dropped.add("cache")
            return {}
        return {"cache_control": {"type": "ephemeral"} | ({"ttl": cache.ttl} if cache.ttl else {})}

    def _assistant(self, parts: Sequence[Part], where: str) -> Body:
        said = [part for part in parts if not isinstance(part, (Reasoning, ToolCall))]
        calls = [part for part in parts if isinstance(part, ToolCall)]
        content = self._content(said, where) if said or not calls else None
        body: Body = {"role": "assistant", "content": content}
        body |= self._reasoning([part for part in parts if isinstance(part, Reasoning)])
        if calls:
            body["tool_calls"] = [self._tool_call(call) for call in calls]
        return body

    def _reasoning(self, thoughts: list[Reasoning]) -> Body:
        signed = [one for one in thoughts if one.signature is not None or one.redacted is not None]
        if self._own and (signed or len(thoughts) > 1):
            return {"reasoning_details": [reasoning_detail(one, index) for index, one in enumerate(thoughts)]}
        if signed:
            # Another provider's proof is worth nothing to this one, and its thoughts are not this model's.
            self.dropped.add("reasoning")
        text = "".join(one.text for one in thoughts if one not in signed)
        return {"reasoning_content": text} if text else {}

    def _tool_call(self, call: ToolCall) -> Body:
        function = {"name": call.name, "arguments": call.arguments}
        return {"id": call.id, "type": "function", "function": function} | self.cache_control(call.cache)

    def _result(self, part: Part, where: str) -> Body:
        if not isinstance(part, ToolResult):
            raise _unsupported(part, where, "a message of role tool holds only results of tools")
        content: object = self._content(part.parts, where) if self._own else self._plain_result(part, where)
        body: Body = {"role": "tool", "tool_call_id": part.tool_call_id, "content": content}
        return body | self.cache_control(part.cache)

    def _plain_result(self, result: ToolResult, where: str) -> str:
        texts = [_result_text(part, where) for part in result.parts]
        # The dialect has no field for it, and the model must know that the tool failed.
        return "\n".join(["Error:", *texts] if result.is_error else texts)

    def _content(self, parts: Sequence[Part], where: str) -> str | list[Body]:
        if not parts:
            return ""
        if len(parts) == 1 and isinstance(only := parts[0], Text) and only.text and only.cache is None:
            return only.text
        return [self._part(part, f"{where}.content.{number}") for number, part in enumerate(parts)]

    def _part(self, part: Part, where: str) -> Body:
        match part:
            case Text():
                return {"type": "text", "text": part.text} | self.cache_control(part.cache)
            case Image():
                return {"type": "image_url", "image_url": _image_url(part, where)} | self.cache_control(part.cache)
            case Audio():
                return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}
            case File():
                return self._file(part, where) | self.cache_control(part.cache)
            case Refusal():
                return {"type": "refusal", "refusal": part.text}
            case ToolCall() | ToolResult() | Reasoning():
                raise _unsupported(part, where, "it belongs into a message of role assistant or tool")
            case _:
                assert_never(part)

    def _file(self, file: File, where: str) -> Body:
        if file.text is not None:
            return {"type": "text", "text": file.text}
        body: Body = {"filename": file.filename} if file.filename is not None else {}
        if file.file_id is not None:
            body["file_id"] = file.file_id
        elif file.data is not None:
            body["file_data"] = _data_url(file.media_type, file.data)
            if not self._own:
                # OpenAI takes no file without a name; other dialects do.
                body.setdefault("filename", "document")
        elif self._own:
            body["file_data"] = file.url
        else:
            raise _unsupported(file, where, "send the content of the file instead of its address")
        return {"type": "file", "file": body}


def reasoning_detail(part: Reasoning, index: int) -> Body:
    """Write one piece of reasoning in OpenRouter's shape."""
    if part.redacted is not None:
        return {"type": "reasoning.encrypted", "data": part.redacted, "index": index}
    return {"type": "reasoning.text", "text": part.text, "signature": part.signature, "index": index}


def _image_url(image: Image, where: str) -> Body:
    if image.file_id is not None:
        raise _unsupported(image, where, "send the picture itself or its address instead of the ID of a file")
    url = image.url if image.data is None else _data_url(image.media_type, image.data)
    body: Body = {"url": url}
    if image.detail is not None:
        body["detail"] = image.detail
    return body


def _data_url(media_type: str | None, data: str) -> str:
    return data if media_type is None else f"data:{media_type};base64,{data}"


def _result_text(part: Part, where: str) -> str:
    if isinstance(part, Text):
        return part.text
    if isinstance(part, File) and part.text is not None:
        return part.text
    raise _unsupported(part, where, "the result of a tool can only be text here; send the rest in a user message")


def _unsupported(part: Part, where: str, remedy: str) -> UnsupportedContent:
    kind = type(part).__name__
    return UnsupportedContent(f"{where}: {kind} cannot be sent to this model's provider: {remedy}", param=where)
