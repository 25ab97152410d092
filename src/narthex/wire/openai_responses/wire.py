"""The responses wire, as the contract has it."""

from __future__ import annotations

from narthex.errors import NarthexError, ProviderError
from narthex.types.answers import ChatAnswer
from narthex.types.dialects import Dialect
from narthex.types.requests import ChatRequest
from narthex.wire.contract import Encoded, WholeScan
from narthex.wire.openai_chat import errors
from narthex.wire.openai_responses import answer as answers
from narthex.wire.openai_responses import content, request_decode, request_encode
from narthex.wire.openai_responses.scanner import ResponsesScanner
from narthex.wire.openai_responses.stream_encoder import ResponsesEncoder
from narthex.wire.openai_responses.stream_parser import ResponsesParser


class ResponsesWire:
    """OpenAI's responses, both ways, whole and streamed; see `narthex.wire.contract.ChatWire`."""

    dialect = Dialect.OPENAI_RESPONSES

    def decode_request(self, body: bytes) -> ChatRequest:
        """Read a client's request; see `request_decode`."""
        return request_decode.decode_request(body)

    def encode_request(self, request: ChatRequest, *, model: str) -> Encoded:
        """Write a request for a provider; see `request_encode`."""
        return request_encode.encode_request(request, model=model)

    def decode_answer(self, body: bytes) -> ChatAnswer:
        """Read a provider's whole answer; see `answer`."""
        return answers.decode_answer(body)

    def encode_answer(self, answer: ChatAnswer, request: ChatRequest | None = None) -> bytes:
        """Write a whole answer for a client; see `answer`."""
        return answers.encode_answer(answer, request)

    def scan_answer(self, body: bytes) -> WholeScan:
        """Look a whole answer over that passes through unchanged; see `answer`."""
        return answers.scan_answer(body)

    def parser(self) -> ResponsesParser:
        """Make a reader for one streamed answer."""
        return ResponsesParser()

    def encoder(self, request: ChatRequest) -> ResponsesEncoder:
        """Make a writer for one streamed answer to `request`."""
        return ResponsesEncoder(request)

    def scanner(self, *, hide_usage: bool = False) -> ResponsesScanner:
        """Make a watcher for one stream that passes through; usage is part of every stream of this wire."""
        return ResponsesScanner()

    def has_content(self, frames: bytes) -> bool:
        """Tell whether a model says something in whole frames of a stream; see `content`."""
        return content.has_content(frames)

    def encode_error(self, error: NarthexError, request_id: str) -> bytes:
        """Write an error body for a client, as every API of OpenAI has it."""
        return errors.encode_error(error, request_id)

    def decode_error(self, body: bytes, *, status: int, provider: str, retry_after_s: float | None) -> ProviderError:
        """Read a provider's error answer."""
        return errors.decode_error(body, status=status, provider=provider, retry_after_s=retry_after_s)
