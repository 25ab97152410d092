"""A prompt in, a text, an XML document or a JSON value out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from narthex.errors import InvalidRequest, UnformedAnswer
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.forms.json_form import UnformedJson, check_schema, read_json
from narthex.pipeline.forms.xml_form import DEFAULT_ROOT, UnformedXml, read_xml
from narthex.pipeline.gateway import Engine
from narthex.tenancy.keys import Caller
from narthex.types.answers import FinishReason
from narthex.types.dialects import Dialect
from narthex.types.events import Event, Finished, RefusalDelta, TextDelta
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest, ResponseFormat
from narthex.types.usage import Usage

LONG_TEXT = 65_536
"""Characters from which on a text is read and repaired in a thread."""
MAX_OUTPUT_TOKENS = 1_000_000
MAX_SEED = 2_147_483_647
MAX_TEMPERATURE = 2
MAX_STOPS = 16
"""Limits of a call of the native generation route."""

Value = object
"""Any JSON value; by another name, because a field is called `object`."""


class GenerateRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One call of the native generation route."""

    prompt: Annotated[str, Meta(min_length=1)]
    model: str | None = None
    system: str | None = None
    format: Literal["text", "xml", "json"] = "text"
    schema: dict[str, object] | None = None
    """JSON schema of the answer, with format `json`."""
    root: str | None = None
    """Name of the outermost element, with format `xml`."""
    stream: bool = False
    max_output_tokens: Annotated[int, Meta(ge=1, le=MAX_OUTPUT_TOKENS)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=MAX_TEMPERATURE)] | None = None
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)] | None = None
    stop: Annotated[tuple[Annotated[str, Meta(min_length=1)], ...], Meta(max_length=MAX_STOPS)] | None = None


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer."""

    id: str
    object: Literal["generation"] = "generation"
    created_at: int
    """Unix time in seconds."""
    model: str
    """`provider/model` that answered."""
    format: Literal["text", "xml", "json"]
    text: str
    """What the model wrote, unchanged."""
    output: Value
    """The text, the well-formed document, or the parsed value."""
    repaired: bool
    """Whether the text had to be changed to be well-formed."""
    finish_reason: FinishReason
    usage: dict[str, Value]


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a streamed answer."""

    text: str


_decode = msgspec.json.Decoder(GenerateRequest).decode


def parse(body: bytes) -> GenerateRequest:
    """Read a request.

    Raises:
        InvalidRequest: Not JSON, not of this shape, or contradictory; `param` names the field.
    """
    try:
        request = _decode(body)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        raise InvalidRequest(f"the body is not valid: {message}", param=path.rstrip("`") or None) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error
    _check(request)
    return request


def _check(request: GenerateRequest) -> None:
    if request.schema is not None and request.format != "json":
        raise InvalidRequest('schema: goes with `"format": "json"` only', param="schema")
    if request.root is not None and request.format != "xml":
        raise InvalidRequest('root: goes with `"format": "xml"` only', param="root")
    if request.root is not None and not (request.root.isascii() and request.root.isidentifier()):
        raise InvalidRequest(
            f"root: {request.root[:50]!r} is not an element name of letters, digits and _", param="root"
        )
    if request.schema is not None:
        try:
            check_schema(None, request.schema)
        except ValueError as error:
            raise InvalidRequest(f"schema: not a valid JSON schema: {error}", param="schema") from error


class Generator:
    """Answers prompts through the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def begin(self, request: GenerateRequest, caller: Caller, headers: Mapping[bytes, bytes]) -> Running:
        """Start an answer; returns when its first piece is here.

        Raises:
            NarthexError: There is no answer, and this is why.
        """
        exchange = Exchange(Dialect.NATIVE, b"", headers, request=_chat_request(request), caller=caller)
        await self._engine.handle(exchange)
        return Running(exchange, request)


class Running:
    """An answer under way.

    Attributes:
        exchange: The call behind it.
        answer: What it is made of; whoever reads that has each event noted.
    """

    def __init__(self, exchange: Exchange, request: GenerateRequest) -> None:
        self.exchange = exchange
        self._request = request
        self._texts: list[str] = []
        self._reason = FinishReason.STOP
        assert exchange.answer is not None
        self.answer = exchange.answer

    async def deltas(self) -> AsyncIterator[Delta]:
        """Yield the pieces of the text, to the end of the answer.

        Raises:
            NarthexError: The answer broke before its end.

        Closing the iterator ends the call to the provider, unless the answer is kept for others.
        """
        answer = self.answer
        reader = answer.reader()
        try:
            while await reader.wait():
                text = "".join(self.note(frame) for frame in reader.take() if not isinstance(frame, bytes))
                if text:
                    yield Delta(text=text)
        finally:
            reader.leave()
        if answer.error is not None:
            raise answer.error

    async def whole(self) -> Generation:
        """Return the whole answer in its form.

        Raises:
            UnformedAnswer: The model did not write what was asked for, and it cannot be repaired.
            NarthexError: The answer broke before its end.
        """
        async for _ in self.deltas():
            pass
        return await self.result()

    async def result(self) -> Generation:
        """Return the answer in its form, after the last delta; raises as `whole` does."""
        text = "".join(self._texts)
        form = asyncio.to_thread(self._form, text) if len(text) > LONG_TEXT else None
        output, repaired = await form if form is not None else self._form(text)
        exchange = self.exchange
        assert exchange.target is not None
        return Generation(
            id=exchange.id,
            created_at=int(time.time()),
            model=exchange.target.name,
            format=self._request.format,
            text=text,
            output=output,
            repaired=repaired,
            finish_reason=self._reason,
            usage=_usage(exchange.consumed or Usage(estimated=True)),
        )

    def note(self, event: Event) -> str:
        """Take note of an event, and return what it adds to the text."""
        if isinstance(event, Finished):
            self._reason = event.reason
        if isinstance(event, TextDelta | RefusalDelta) and event.choice == 0:
            self._texts.append(event.text)
            return event.text
        return ""

    def _form(self, text: str) -> tuple[object, bool]:
        request = self._request
        if request.format == "text" or self._reason is FinishReason.REFUSAL:
            return text, False
        try:
            if request.format == "xml":
                xml = read_xml(text, root=request.root)
                return xml.text, xml.repaired
            formed = read_json(text)
        except (UnformedJson, UnformedXml) as error:
            raise UnformedAnswer(self._unformed(str(error))) from error
        problem = None if request.schema is None else check_schema(formed.value, request.schema)
        if problem is not None:
            raise UnformedAnswer(self._unformed(f"its value does not fit the schema ({problem})"))
        return formed.value, formed.repaired

    def _unformed(self, why: str) -> str:
        remedy = (
            "the answer ran into its limit of tokens: raise `max_output_tokens`"
            if self._reason is FinishReason.LENGTH
            else "ask again, or ask a more capable model"
        )
        return f"the model's answer is not {self._request.format.upper()}: {why}; {remedy}"


def _chat_request(request: GenerateRequest) -> ChatRequest:
    instructions = [text for text in (request.system, _instruction(request)) if text]
    messages = [Message(role="user", parts=(Text(text=request.prompt),))]
    if instructions:
        messages.insert(0, Message(role="system", parts=(Text(text="\n\n".join(instructions)),)))
    return ChatRequest(
        model=request.model or "",
        messages=tuple(messages),
        stream=request.stream,
        include_usage=True,
        max_output_tokens=request.max_output_tokens,
        temperature=request.temperature,
        seed=request.seed,
        stop=request.stop or (),
        response_format=_response_format(request),
    )


def _instruction(request: GenerateRequest) -> str | None:
    match request.format:
        case "text":
            return None
        case "xml":
            root = request.root or DEFAULT_ROOT
            return (
                f"Answer with one well-formed XML document whose outermost element is <{root}>, and nothing else. "
                "Escape & and < in text."
            )
        case "json":
            schema = "" if request.schema is None else f" It must fit this schema: {_text(request.schema)}"
            return f"Answer with one JSON value and nothing else.{schema}"


def _response_format(request: GenerateRequest) -> ResponseFormat | None:
    if request.format != "json":
        return None
    if request.schema is None:
        return ResponseFormat(kind="json_object")
    return ResponseFormat(kind="json_schema", name="answer", schema=request.schema)


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _usage(usage: Usage) -> dict[str, object]:
    return {**msgspec.structs.asdict(usage), "total_tokens": usage.total_tokens}
