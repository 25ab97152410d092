"""From messages to the items of a conversation."""

from __future__ import annotations

from typing import assert_never

from narthex.errors import UnsupportedContent
from narthex.types.messages import Audio, File, Image, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from narthex.wire.openai_responses.schema import Json


class ItemEncoder:
    """Writes the messages of one request as items.

    Thoughts that a provider sealed or signed go back only to a caller's own dialect: to any other provider they are
    worth nothing, and some refuse them.
    """

    def __init__(self, *, own: bool) -> None:
        """Start with nothing dropped.

        Args:
            own: Whether the caller spoke this dialect.
        """
        self._own = own
        self.dropped: set[str] = set()
        """What was left out, by the field names of `ChatRequest`, or `cache`."""

    def encode(self, index: int, message: Message) -> list[Json]:
        """Write the message at `index`.

        Raises:
            UnsupportedContent: It holds what this dialect cannot carry.
        """
        where = f"messages.{index}"
        items: list[Json] = []
        said: list[Json] = []
        for number, part in enumerate(message.parts):
            if getattr(part, "cache", None) is not None:
                self.dropped.add("cache")
            place = f"{where}.content.{number}"
            match part:
                case Text() | Image() | Audio() | File() | Refusal():
                    said.append(_content(part, place, by_model=message.role == "assistant"))
                case Reasoning() | ToolCall() | ToolResult():
                    _say(items, message, said)
                    items += self._item(part, place)
                case _:
                    assert_never(part)
        _say(items, message, said)
        return items

    def _item(self, part: Reasoning | ToolCall | ToolResult, where: str) -> list[Json]:
        match part:
            case Reasoning():
                return self._reasoning(part)
            case ToolCall():
                return [
                    {
                        "type": "function_call",
                        "call_id": part.id,
                        "name": part.name,
                        "arguments": part.arguments or "{}",
                    }
                ]
            case ToolResult():
                return [{"type": "function_call_output", "call_id": part.tool_call_id, "output": _output(part, where)}]
            case _:
                assert_never(part)

    def _reasoning(self, part: Reasoning) -> list[Json]:
        sealed = part.redacted if part.redacted is not None else part.signature
        if not self._own or sealed is None:
            self.dropped.add("reasoning")
            return []
        return [{"type": "reasoning", "summary": written_summary(part.text), "encrypted_content": sealed}]


def written_summary(text: str) -> list[Json]:
    """Write a thought as the summary of a reasoning item."""
    return [{"type": "summary_text", "text": text}] if text else []


def _say(items: list[Json], message: Message, said: list[Json]) -> None:
    """Add a message item of what was said since the last item that was none."""
    if not said:
        return
    plain = said[0]["text"] if len(said) == 1 and said[0]["type"] in {"input_text", "output_text"} else None
    content: object = plain if plain is not None else list(said)
    items.append({"type": "message", "role": "user" if message.role == "tool" else message.role, "content": content})
    said.clear()


def _content(part: Text | Image | Audio | File | Refusal, where: str, *, by_model: bool) -> Json:
    match part:
        case Text():
            return {"type": "output_text" if by_model else "input_text", "text": part.text}
        case Refusal():
            return {"type": "refusal", "refusal": part.text}
        case Image():
            return _image(part)
        case File():
            return _file(part)
        case Audio():
            raise UnsupportedContent(
                f"{where}: Audio cannot be sent to this model's provider: this API takes no sound", param=where
            )
        case _:
            assert_never(part)


def _image(image: Image) -> Json:
    body: Json = {"type": "input_image", "detail": image.detail or "auto"}
    if image.file_id is not None:
        body["file_id"] = image.file_id
    else:
        body["image_url"] = image.url if image.data is None else _data_url(image.media_type, image.data)
    return body


def _file(file: File) -> Json:
    if file.text is not None:
        return {"type": "input_text", "text": file.text}
    body: Json = {"type": "input_file"}
    if file.file_id is not None:
        body["file_id"] = file.file_id
    elif file.url is not None:
        body["file_url"] = file.url
    else:
        assert file.data is not None
        body["filename"] = file.filename or "document"
        body["file_data"] = _data_url(file.media_type, file.data)
    return body


def _data_url(media_type: str | None, data: str) -> str:
    return data if media_type is None else f"data:{media_type};base64,{data}"


def _output(result: ToolResult, where: str) -> str | list[Json]:
    parts: list[Part] = list(result.parts)
    if result.is_error:
        # The dialect has no field for it, and the model must know that the tool failed.
        parts.insert(0, Text(text="Error:"))
    if all(isinstance(part, Text) for part in parts):
        return "\n".join(part.text for part in parts if isinstance(part, Text))
    return [
        _content(part, f"{where}.{number}", by_model=False)
        for number, part in enumerate(parts)
        if isinstance(part, (Text, Image, File))
    ]
