"""Small model files: heads without a model behind them."""

from __future__ import annotations

import struct


def text(value: str) -> bytes:
    """Write a string."""
    return struct.pack("<Q", len(value.encode())) + value.encode()


def entry(key: str, kind: int, value: bytes) -> bytes:
    """Write an entry of the head."""
    return text(key) + struct.pack("<I", kind) + value


def gguf(*entries: bytes, version: int = 3, tensors: int = 0, tail: bytes = b"") -> bytes:
    """Write a whole file."""
    return b"GGUF" + struct.pack("<IQQ", version, tensors, len(entries)) + b"".join(entries) + tail


def chat_file(name: str = "Tiny", context: int = 2048) -> bytes:
    """Write the file of a model that chats."""
    return gguf(
        entry("general.architecture", 8, text("llama")),
        entry("general.name", 8, text(name)),
        entry("llama.context_length", 4, struct.pack("<I", context)),
        entry("llama.embedding_length", 4, struct.pack("<I", 64)),
        entry("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 2) + text("a") + text("b")),
        entry("tokenizer.ggml.scores", 9, struct.pack("<IQff", 6, 2, 0.5, 0.25)),
        entry("tokenizer.chat_template", 8, text("{{ messages }}")),
    )


def embedder_file() -> bytes:
    """Write the file of a model that makes vectors."""
    return gguf(
        entry("general.architecture", 8, text("bert")),
        entry("bert.context_length", 4, struct.pack("<I", 512)),
        entry("bert.embedding_length", 4, struct.pack("<I", 384)),
        entry("bert.pooling_type", 4, struct.pack("<I", 1)),
    )
