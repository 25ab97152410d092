"""The options of what is compressed, and what of them cannot hold together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from narthex.config.sections import Section

Codec = Literal["zstd", "gzip", "brotli", "none"]
Coding = Literal["zstd", "brotli", "gzip"]

_HIGHEST = {"zstd": 19, "gzip": 9, "brotli": 11}


class CompressionSettings(Section):
    """How what is kept is made smaller."""

    cache: Codec = Field(default="zstd", description="For answers in the cache.")
    responses: Codec = Field(default="zstd", description="For kept responses.")
    documents: Codec = Field(default="zstd", description="For documents.")
    level: int = Field(
        default=5,
        ge=1,
        le=19,
        description="How hard is tried: up to 9 for `gzip`, to 11 for `brotli`, to 19 for `zstd`.",
    )
    threshold_bytes: int = Field(default=128, ge=0, description="What is smaller stays as it is, in bytes.")
    dictionaries: bool = Field(
        default=True,
        description="Whether the cache learns a dictionary for each tenant, with `zstd`; it holds pieces of answers.",
    )
    dictionary_bytes: int = Field(
        default=163_840, ge=4_096, le=1_048_576, description="Size of a dictionary at most, in bytes."
    )
    http: tuple[Coding, ...] = Field(
        default=("zstd", "brotli", "gzip"),
        description="Codings for answers over HTTP, for clients that ask; the preferred first. Empty sends all plain.",
    )
    http_threshold_bytes: int = Field(default=1_024, ge=0, description="What is smaller is sent plain, in bytes.")
    streams: bool = Field(
        default=True, description="Whether streams of events are compressed as well, each event as it comes."
    )
    answers_threshold_bytes: int = Field(
        default=1_024, ge=-1, description="As above for whole answers of models, in bytes; -1 sends them all plain."
    )


def compression_problems(settings: CompressionSettings) -> Iterator[tuple[str, str]]:
    """Yield what cannot hold together, with the option's name."""
    for kind in ("cache", "responses", "documents"):
        codec = getattr(settings, kind)
        highest = _HIGHEST.get(codec)
        if highest is not None and settings.level > highest:
            yield "level", f"is {settings.level}, and `{codec}`, which `compression.{kind}` names, ends at {highest}"
            return
