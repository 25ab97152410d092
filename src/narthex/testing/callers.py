"""An application's view of a gateway: one call, read to its end byte by byte, on either wire.

It shares no code with the client that we ship, nor with the translators: what they get wrong would not be seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast
from urllib.parse import urlsplit

import httptools

from narthex.testing.wall.asking import Wire
from narthex.testing.wires import as_json

Ending = Literal["whole", "refused", "error_event", "unfinished", "cut", "malformed", "hung", "unreachable"]
"""How a call ended.

whole         with a reason to finish, and a body that is complete
refused       with an error status
error_event   with an error inside the stream
unfinished    in good order, but without a reason to finish
cut           in the middle of the body
malformed     with something that is no answer on this wire
hung          not at all, within the deadline
unreachable   without an answer
"""

TOOL = "look_up"
_SCHEMA = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
_MAX_TOKENS = 1_000_000
_READ_BYTES = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a gateway."""

    wire: Wire
    model: str
    prompt: str
    is_streamed: bool = False
    offers_tool: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the caller heard."""

    ended: Ending
    status: int | None = None
    text: str = ""
    """The text, and behind it each call of a tool as `name(arguments)`."""
    finish: str | None = None
    """Why it ended, in OpenAI's words on both wires."""
    error: str | None = None
    """The message of the error, if there was one."""
    seconds: float = 0.0
    first_s: float | None = None
    """When the first byte of the body came, in seconds; None if none did."""
    headers: Mapping[str, str] = field(default_factory=dict)


class _Response:
    """The response so far, as the HTTP parser tells it."""

    def __init__(self, began_s: float) -> None:
        self._began_s = began_s
        self.parser = httptools.HttpResponseParser(self)
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.is_complete = False
        self.status: int | None = None
        self.first_s: float | None = None

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Take the status."""
        self.status = self.parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        """Take more of the body."""
        if self.first_s is None:
            self.first_s = time.monotonic() - self._began_s
        self.body += data

    def on_message_complete(self) -> None:
        """Note that it is whole."""
        self.is_complete = True


async def ask(url: str, question: Question, *, key: str | None = None, deadline_s: float = 30.0) -> Heard:
    """Ask a gateway once, without trying again, and tell how it ended.

    Args:
        url: Address of the gateway, without `/v1`.
        question: What is asked.
        key: Sent as both wires send it.
        deadline_s: After so long the call counts as hung.
    """
    began_s = time.monotonic()
    response = _Response(began_s)
    ended: Ending | None = None
    try:
        async with asyncio.timeout(deadline_s):
            await _exchange(url, _request(url, question, key), response)
    except TimeoutError:
        ended = "hung"
    except (OSError, httptools.HttpParserError) as error:
        ended = "unreachable" if response.status is None and isinstance(error, OSError) else "cut"
    return _told(question, response, ended, time.monotonic() - began_s)


async def _exchange(url: str, sent: bytes, response: _Response) -> None:
    address = urlsplit(url)
    secure = ssl.create_default_context() if address.scheme == "https" else None
    port = address.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(address.hostname, port, ssl=secure)
    try:
        writer.write(sent)
        await writer.drain()
        while not response.is_complete and (data := await reader.read(_READ_BYTES)):
            response.parser.feed_data(data)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _request(url: str, question: Question, key: str | None) -> bytes:
    address = urlsplit(url)
    path = "/v1/chat/completions" if question.wire == "openai" else "/v1/messages"
    body = as_json(_body(question))
    fields = {
        "host": address.netloc.rpartition("@")[2],
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        "accept-encoding": "identity",
    }
    if question.wire == "anthropic":
        fields["anthropic-version"] = "2023-06-01"
    if key:
        fields |= {"authorization": f"Bearer {key}", "x-api-key": key}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {address.path.rstrip('/')}{path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def _body(question: Question) -> dict[str, object]:
    body: dict[str, object] = {
        "model": question.model,
        "messages": [{"role": "user", "content": question.prompt}],
        "stream": question.is_streamed,
    }
    if question.wire == "anthropic":
        body["max_tokens"] = _MAX_TOKENS
    if question.offers_tool and question.wire == "openai":
        body["tools"] = [{"type": "function", "function": {"name": TOOL, "parameters": _SCHEMA}}]
    elif question.offers_tool:
        body["tools"] = [{"name": TOOL, "input_schema": _SCHEMA}]
    return body


@dataclass(slots=True)
class _Answer:
    """What a body says, gathered."""

    text: str = ""
    calls: dict[int, list[str]] = field(default_factory=dict)
    """Name and arguments by place."""
    finish: str | None = None
    error: str | None = None

    def call(self, place: int, name: str = "", arguments: str = "") -> None:
        """Add to a call."""
        known = self.calls.setdefault(place, ["", ""])
        known[0] += name
        known[1] += arguments

    @property
    def whole_text(self) -> str:
        """The text, and the calls behind it."""
        return self.text + "".join(f"{name}({_compact(arguments)})" for name, arguments in self.calls.values())


def _compact(written: str) -> str:
    try:
        return json.dumps(json.loads(written), separators=(",", ":"))
    except ValueError:
        return written


def _told(question: Question, response: _Response, ended: Ending | None, seconds: float) -> Heard:
    answer = _Answer()
    is_sound = True
    try:
        _read(question, response, answer)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        is_sound = False
    return Heard(
        ended=ended or _ending(response, answer, is_sound=is_sound),
        status=response.status,
        text=answer.whole_text,
        finish=answer.finish,
        error=answer.error,
        seconds=seconds,
        first_s=response.first_s,
        headers=response.headers,
    )


def _ending(response: _Response, answer: _Answer, *, is_sound: bool) -> Ending:
    if response.status is None:
        return "unreachable"
    if response.status >= 400:
        return "refused"
    if answer.error is not None:
        return "error_event"
    if not response.is_complete:
        return "cut"
    if not is_sound or response.status != 200:
        return "malformed"
    return "whole" if answer.finish else "unfinished"


def _read(question: Question, response: _Response, answer: _Answer) -> None:
    """Gather what a body says, as far as it came.

    Raises:
        ValueError: It is not written on this wire.
        TypeError: As above.
        KeyError: As above.
        AttributeError: As above.
        IndexError: As above.
    """
    if (response.status or 0) >= 400 or not question.is_streamed:
        _read_whole(question, json.loads(response.body), answer)
        return
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        raise ValueError("not a stream")
    read = _read_openai_event if question.wire == "openai" else _read_anthropic_event
    for data in _events(bytes(response.body)):
        if data != "[DONE]":
            event = json.loads(data)
            _read_error(event, answer)
            read(event, answer)


def _events(body: bytes) -> Iterator[str]:
    """Yield the data of each event that is complete."""
    for block in body.decode("utf-8", "strict" if body.endswith(b"\n") else "ignore").split("\n\n")[:-1]:
        lines = [line.removeprefix("data:").strip() for line in block.splitlines() if line.startswith("data:")]
        if lines:
            yield "\n".join(lines)


_Json = dict[str, object]


def _read_error(value: _Json, answer: _Answer) -> None:
    error = value.get("error")
    if error:
        answer.error = str(error.get("message") if isinstance(error, dict) else error)


def _read_whole(question: Question, value: _Json, answer: _Answer) -> None:
    _read_error(value, answer)
    if answer.error is not None:
        return
    if question.wire == "anthropic":
        for place, block in enumerate(cast("list[_Json]", value["content"])):
            _read_block(place, block, answer)
        answer.finish = _finish(value["stop_reason"])
        return
    choice = cast("list[_Json]", value["choices"])[0]
    message = cast("_Json", choice["message"])
    answer.text = str(message.get("content") or "")
    _read_calls(message, answer)
    answer.finish = cast("str | None", choice["finish_reason"])


def _read_block(place: int, block: _Json, answer: _Answer) -> None:
    answer.text += str(block.get("text", ""))
    if block["type"] == "tool_use":
        given = block["input"]
        answer.call(place, str(block["name"]), given if isinstance(given, str) else json.dumps(given))


def _read_calls(message: _Json, answer: _Answer) -> None:
    for place, call in enumerate(cast("list[_Json]", message.get("tool_calls") or [])):
        function = cast("_Json", call["function"])
        number = cast("int", call.get("index", place))
        answer.call(number, str(function.get("name") or ""), str(function.get("arguments") or ""))


def _read_openai_event(event: _Json, answer: _Answer) -> None:
    for choice in cast("list[_Json]", event.get("choices") or []):
        delta = cast("_Json", choice["delta"])
        answer.text += str(delta.get("content") or "")
        _read_calls(delta, answer)
        answer.finish = cast("str | None", choice.get("finish_reason")) or answer.finish


def _read_anthropic_event(event: _Json, answer: _Answer) -> None:
    match event["type"]:
        case "content_block_start":
            block = cast("_Json", event["content_block"])
            if block["type"] == "tool_use":
                answer.call(cast("int", event["index"]), str(block["name"]))
        case "content_block_delta":
            delta = cast("_Json", event["delta"])
            answer.text += str(delta.get("text", ""))
            if "partial_json" in delta:
                answer.call(cast("int", event["index"]), arguments=str(delta["partial_json"]))
        case "message_delta":
            answer.finish = _finish(cast("_Json", event["delta"]).get("stop_reason")) or answer.finish
        case _:
            pass


def _finish(reason: object) -> str | None:
    """Return Anthropic's reason in OpenAI's words."""
    words = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length", "refusal": "content_filter"}
    return words.get(reason, reason) if isinstance(reason, str) else None
