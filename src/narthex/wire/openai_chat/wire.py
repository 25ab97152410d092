"""The dialect as one object."""

from __future__ import annotations

from narthex.errors import NarthexError, ProviderError
from narthex.types.answers import ChatAnswer
from narthex.types.dialects import Dialect
from narthex.types.requests import ChatRequest
from narthex.wire.contract import ChatWire, Encoded, StreamEncoder, StreamParser, StreamScanner, WholeScan
from narthex.wire.openai_chat import answers, content, errors, request_decoding, request_encoding
from narthex.wire.openai_chat.encoder import OpenAIChatEncoder
from narthex.wire.openai_chat.parser import OpenAIChatParser
from narthex.wire.openai_chat.scanner import OpenAIChatScanner


class OpenAIChatWire:
    """OpenAI chat completions; see `ChatWire`."""

    dialect = Dialect.OPENAI_CHAT

    def decode_request(self, body: bytes) -> ChatRequest:
        """Read a client's request.

        Raises:
            InvalidRequest: Not JSON, or not this dialect; `param` names the field.
            UnsupportedContent: A valid request with content that the inner vocabulary has no word for.
        """
        return request_decoding.decode_request(body)

    def encode_request(self, request: ChatRequest, *, model: str) -> Encoded:
        """Write a request for a provider that knows the model as `model`.

        Raises:
            UnsupportedContent: The dialect cannot carry a part of the request; `param` names it.
        """
        return request_encoding.encode_request(request, model=model)

    def decode_answer(self, body: bytes) -> ChatAnswer:
        """Read a provider's whole answer.

        Raises:
            MalformedBody: Not an answer of this dialect, or one without its end.
        """
        return answers.decode_answer(body)

    def encode_answer(self, answer: ChatAnswer, request: ChatRequest | None = None) -> bytes:
        """Write a whole answer for a client."""
        return answers.encode_answer(answer)

    def scan_answer(self, body: bytes) -> WholeScan:
        """Look a whole answer over that passes through unchanged.

        Raises:
            MalformedBody: Not an answer of this dialect, or one without its end.
        """
        return answers.scan_answer(body)

    def parser(self) -> StreamParser:
        """Make a reader for one streamed answer."""
        return OpenAIChatParser()

    def encoder(self, request: ChatRequest) -> StreamEncoder:
        """Make a writer for one streamed answer to `request`."""
        return OpenAIChatEncoder(include_usage=request.include_usage)

    def scanner(self, *, hide_usage: bool = False) -> StreamScanner:
        """Make a watcher for one stream that passes through."""
        return OpenAIChatScanner(hide_usage=hide_usage)

    def has_content(self, frames: bytes) -> bool:
        """Tell whether a model says something in whole frames of a stream."""
        return content.has_content(frames)

    def encode_error(self, error: NarthexError, request_id: str) -> bytes:
        """Write an error body for a client."""
        return errors.encode_error(error, request_id)

    def decode_error(self, body: bytes, *, status: int, provider: str, retry_after_s: float | None) -> ProviderError:
        """Read a provider's error answer, classified by its code first and its status second."""
        return errors.decode_error(body, status=status, provider=provider, retry_after_s=retry_after_s)


OPENAI_CHAT = OpenAIChatWire()
_conforms: ChatWire = OPENAI_CHAT
