"""Facts about models."""

from __future__ import annotations

from typing import Literal

import msgspec

from narthex.types.usage import Usage

Capability = Literal[
    "chat",
    "embeddings",
    "streaming",
    "tools",
    "json_schema",
    "vision",
    "audio",
    "files",
    "reasoning",
    "logprobs",
    "prefill",
]
"""`prefill`: it goes on by itself where the last message is its own and not complete."""


class Price(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a model costs, in millionths of a US dollar for a million tokens."""

    input_microusd_per_mtok: int
    output_microusd_per_mtok: int
    cache_read_microusd_per_mtok: int | None = None
    """Of tokens read from the provider's prompt cache; None where they cost what any others do."""
    cache_write_microusd_per_mtok: int | None = None
    """Of tokens written to it; None where they cost what any others do."""
    cache_write_1h_microusd_per_mtok: int | None = None
    """Of those that are kept there for an hour; None where they cost what the others written do."""
    reasoning_microusd_per_mtok: int | None = None
    """Of tokens of reasoning; None where they cost what any others do."""
    request_microusd: int = 0
    """Of every call that is answered, beside its tokens."""
    image_microusd: int = 0
    """Of every picture that is made."""
    audio_second_microusd: int = 0
    """Of every second of sound that is heard or spoken, and of its parts by their length."""
    batch_discount_percent: int = 0
    """How much less all of it costs as a line of a batch."""

    def picousd(self, usage: Usage, *, batch: bool = False) -> int:
        """Return what was consumed costs, in millionths of a millionth of a US dollar: exactly, and never rounded.

        Args:
            usage: What was consumed.
            batch: Whether as a line of a batch. What is not whole of that discount is in favour of the provider.
        """
        cost = usage.input_tokens * self.input_microusd_per_mtok + usage.output_tokens * self.output_microusd_per_mtok
        if usage.cache_read_tokens and self.cache_read_microusd_per_mtok is not None:
            cost += usage.cache_read_tokens * (self.cache_read_microusd_per_mtok - self.input_microusd_per_mtok)
        if usage.cache_write_tokens:
            cost += self.written_picousd_more(usage.cache_write_tokens, usage.cache_write_1h_tokens)
        if usage.reasoning_tokens and self.reasoning_microusd_per_mtok is not None:
            cost += usage.reasoning_tokens * (self.reasoning_microusd_per_mtok - self.output_microusd_per_mtok)
        cost += self.request_microusd * 1_000_000
        if usage.images or usage.audio_ms:
            cost += usage.images * self.image_microusd * 1_000_000 + usage.audio_ms * self.audio_second_microusd * 1_000
        return -(cost * (self.batch_discount_percent - 100) // 100) if batch else cost

    def written_picousd_more(self, tokens: int, of_1h: int) -> int:
        """Return what tokens written to the provider's prompt cache cost more than others; below 0 if they cost less.

        Args:
            tokens: All that were written.
            of_1h: Those of them that are kept for an hour.
        """
        usual, written = self.input_microusd_per_mtok, self.cache_write_microusd_per_mtok
        written = usual if written is None else written
        for_long = self.cache_write_1h_microusd_per_mtok
        more = tokens * (written - usual)
        return more if for_long is None else more + of_1h * (for_long - written)

    def of_tokens(self, input_tokens: int, output_tokens: int) -> int:
        """Return what so many tokens cost, none of them from a cache or for reasoning, as `picousd` does."""
        read, written = self.input_microusd_per_mtok, self.output_microusd_per_mtok
        return input_tokens * read + output_tokens * written + self.request_microusd * 1_000_000


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a model; None means unknown, never "no"."""

    id: str
    """The provider's own name for it."""
    provider: str
    """Name of the provider in the configuration."""
    capabilities: frozenset[Capability] = frozenset()
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    dimensions: int | None = None
    """Length of the vectors of an embedding model."""
    input_microusd_per_mtok: int | None = None
    """Price of a million input tokens, in millionths of a US dollar."""
    output_microusd_per_mtok: int | None = None
    created_at: int | None = None
    """Unix time in seconds."""
    description: str | None = None

    @property
    def price(self) -> Price | None:
        """What it costs, if all of that is known."""
        if self.input_microusd_per_mtok is None or self.output_microusd_per_mtok is None:
            return None
        return Price(
            input_microusd_per_mtok=self.input_microusd_per_mtok,
            output_microusd_per_mtok=self.output_microusd_per_mtok,
        )

    @property
    def name(self) -> str:
        """The name on our wire: `provider/model`."""
        return f"{self.provider}/{self.id}"
