"""The messages wire, as the contract has it."""

from __future__ import annotations

from narthex.errors import NarthexError, ProviderError
from narthex.types.answers import ChatAnswer
from narthex.types.dialects import Dialect
from narthex.types.requests import ChatRequest
from narthex.wire.anthropic_messages import answer as answers
from narthex.wire.anthropic_messages import content, errors, request_decode, request_encode
from narthex.wire.anthropic_messages.scanner import MessagesScanner
from narthex.wire.anthropic_messages.stream_encoder import MessagesEncoder
from narthex.wire.anthropic_messages.stream_parser import MessagesParser
from narthex.wire.contract import Encoded, WholeScan


class MessagesWire:
    """Anthropic's messages, both ways, whole and streamed; see `narthex.wire.contract.ChatWire`."""

    dialect = Dialect.ANTHROPIC_MESSAGES

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
        return answers.encode_answer(answer)

    def scan_answer(self, body: bytes) -> WholeScan:
        """Look a whole answer over that passes through unchanged; see `answer`."""
        return answers.scan_answer(body)

    def parser(self) -> MessagesParser:
        """Make a reader for one streamed answer."""
        return MessagesParser()

    def encoder(self, request: ChatRequest) -> MessagesEncoder:
        """Make a writer for one streamed answer; this wire writes the answers to all requests alike."""
        return MessagesEncoder()

    def scanner(self, *, hide_usage: bool = False) -> MessagesScanner:
        """Make a watcher for one stream that passes through; usage is part of every stream of this wire."""
        return MessagesScanner()

    def has_content(self, frames: bytes) -> bool:
        """Tell whether a model says something in whole frames of a stream; see `content`."""
        return content.has_content(frames)

    def encode_error(self, error: NarthexError, request_id: str) -> bytes:
        """Write an error body for a client; see `errors`."""
        return errors.encode_error(error, request_id)

    def decode_error(self, body: bytes, *, status: int, provider: str, retry_after_s: float | None) -> ProviderError:
        """Read a provider's error answer; see `errors`."""
        return errors.decode_error(body, status=status, provider=provider, retry_after_s=retry_after_s)
