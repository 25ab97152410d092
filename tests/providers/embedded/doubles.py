"""A model in place of the real one: says what it is told to, as slowly as it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from narthex.providers.embedded.native import Document, NativeOptions, OnChunk


def chunk(delta: Document, *, index: int = 0, finish: str | None = None, **more: object) -> Document:
    """Make a chunk as the engine writes it."""
    return {
        "choices": [{"finish_reason": finish, "index": index, "delta": delta, **more}],
        "created": 1_700_000_000,
        "id": "chatcmpl-abcdefghijklmnop",
        "model": "/somewhere/smollm2.gguf",
        "system_fingerprint": "b0",
        "object": "chat.completion.chunk",
    }


def usage_chunk(prompt: int = 3, written: int = 2, cached: int = 0) -> Document:
    """Make the chunk that closes an answer."""
    return {
        **chunk({}),
        "choices": [],
        "usage": {
            "completion_tokens": written,
            "prompt_tokens": prompt,
            "total_tokens": prompt + written,
            "prompt_tokens_details": {"cached_tokens": cached},
        },
        "timings": {"prompt_ms": 1.5},
    }


def answer_chunks(*words: str, finish: str = "stop") -> list[Document]:
    """Make the chunks of a whole answer, progress first."""
    progress = {**chunk({"role": "assistant", "content": None}), "prompt_progress": {"total": 3, "processed": 3}}
    said = [chunk({"content": word}) for word in words]
    opening = chunk({"role": "assistant", "content": None})
    return [progress, opening, *said, chunk({}, finish=finish), usage_chunk(written=len(words))]


@dataclass
class FakeModel:
    """See `NativeModel`."""

    chunks: list[Document] = field(default_factory=lambda: answer_chunks("Hel", "lo"))
    error: Exception | None = None
    """Raised after the chunks."""
    forever: bool = False
    """Repeat the last chunk until stopped."""
    hold: threading.Event | None = None
    """Awaited before the first chunk."""
    is_alive: bool = True
    is_closed: bool = False
    requests: list[Document] = field(default_factory=list)
    embedded: list[list[str]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set when an answer was stopped before its end."""
    embed_error: Callable[[Sequence[str]], Exception | None] = lambda _texts: None

    def chat(self, request: Document, on_chunk: OnChunk) -> None:
        """Say the chunks."""
        self.requests.append(request)
        if self.hold is not None:
            assert self.hold.wait(10)
        for one in self._said():
            if on_chunk(one):
                self.stopped.set()
                return
        if self.error is not None:
            raise self.error

    def _said(self) -> Iterator[Document]:
        yield from self.chunks
        while self.forever:
            yield self.chunks[-1]
            self.stopped.wait(0.001)

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], int]:
        """Give vectors that tell the length of each text."""
        self.embedded.append(list(texts))
        error = self.embed_error(texts)
        if error is not None:
            raise error
        return [[float(len(text)), 0.5] for text in texts], sum(map(len, texts))

    def count_chat(self, request: Document) -> int:
        """Count a token for each message."""
        messages = request["messages"]
        assert isinstance(messages, list)
        return len(messages)

    def count_text(self, text: str) -> int:
        """Count a token for each word."""
        return len(text.split())

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


@dataclass
class FakeOpener:
    """Opens fake models; see `Opener`."""

    model: FakeModel = field(default_factory=FakeModel)
    error: Exception | None = None
    hold: threading.Event | None = None
    opened: list[NativeOptions] = field(default_factory=list)

    def __call__(self, options: NativeOptions) -> FakeModel:
        """Open the model."""
        self.opened.append(options)
        if self.hold is not None:
            assert self.hold.wait(10)
        if self.error is not None:
            raise self.error
        self.model.is_closed = False
        return self.model
