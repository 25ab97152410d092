"""One entry for each attempt at a call, written once and never changed."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

MAX_TAGS_CHARACTERS: Final = 500
CORRECTED_PRICE: Final = "statement"
"""In place of a price, in corrections: their cost is what the provider says."""

Status = Literal["settled", "cut", "failed", "released", "interrupted"]
"""What became of an attempt:

`settled`: it brought its answer, or its part of one. `cut`: it was ended before its end, by its caller or by a break.
`failed`: it brought nothing, and nothing is known to be billed. `released`: it was let go before it was asked.
`interrupted`: this server was killed meanwhile, and nobody knows what came of it.
"""
Kind = Literal["call", "shadow", "judge", "cache", "batch", "prefetch", "correction"]
"""What an attempt was for: a caller's own call, a copy for a model on trial, the choice of a judge, and so on.

What was asked for, as a chat, an embedding, an image or speech, is an entry's `operation`: each is a call, and may be a
line of a batch or come from the cache. A `correction` is no attempt: it brings the sums to what a provider has billed,
and may be negative.
"""
BATCH: Final = "batch"
"""The kind of a line of a batch, to which its price's discount applies."""
COUNTED: Final = frozenset({"call", "judge", BATCH})
"""Kinds of which each is counted as a request."""


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an attempt consumed, and who pays for it; the fields are the columns of `ledger_entries`, in order."""

    id: str
    """The name of the call's exchange and the number of the attempt: the same whenever it is written again."""
    at: int
    """When the call was received, in milliseconds of Unix time."""
    kind: str
    """One of `Kind`."""
    status: str
    """One of `Status`."""
    request_id: str
    """The request that it is a part of."""
    attempt: int
    """From 0."""
    way: str
    """How it came about: `first`, `retry`, `fallback`, `hedge`, and so on."""
    organisation_id: str
    workspace_id: str
    user_id: str
    key_id: str
    end_user: str
    """The caller's own user, as the request named them."""
    tags: str
    """`name=value`, or a word alone; in order of their names, a comma between them."""
    operation: str
    surface: str
    provider: str
    model: str
    """`provider/model`."""
    model_asked: str
    code: str
    """`ok`, or the code or class of what went wrong."""
    requests: int
    """1 for the one entry that stands for the request, 0 for the others."""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    """Whether tokens were counted here, as the provider did not tell them."""
    price_id: str = ""
    """Version of the price; empty where nobody knows one, and the cost is not known."""
    cost_picousd: int = 0
    saved_picousd: int = 0
    """What was not spent, as it came from a cache."""
    duration_ms: int = 0
    images: int = 0
    """Pictures made."""
    audio_ms: int = 0
    """Sound heard or spoken, in milliseconds."""
    cache_write_1h_tokens: int = 0
    """Of `cache_write_tokens`: those that are kept for an hour. Last, as journals of before lack it."""


class Opened(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A call that goes out: what is written should nothing more be heard of it."""

    id: str
    """Of the call's exchange."""
    at: int
    request_id: str
    organisation_id: str
    workspace_id: str
    user_id: str
    key_id: str
    end_user: str
    tags: str
    operation: str
    surface: str
    model: str
    model_asked: str
    kind: str
    price_id: str
    input_tokens: int
    """Of the prompt, estimated."""
    cost_picousd: int
    """Of the prompt, estimated."""


def interrupted(opened: Opened, output_tokens: int = 0, cost_picousd: int | None = None) -> Entry:
    """Return the entry of a call whose server was killed: its prompt, and what of its answer was noted, estimated.

    Args:
        opened: The call.
        output_tokens: Of the answer, as last noted.
        cost_picousd: Of all of it; None for that of the prompt alone.
    """
    who = (opened.organisation_id, opened.workspace_id, opened.user_id, opened.key_id, opened.end_user, opened.tags)
    provider = opened.model.partition("/")[0]
    what = (opened.operation, opened.surface, provider, opened.model, opened.model_asked)
    return Entry(
        *(f"{opened.id}:0", opened.at, opened.kind, "interrupted", opened.request_id, 0, "first"),
        *who,
        *what,
        code="interrupted",
        requests=1 if opened.kind in COUNTED else 0,
        input_tokens=opened.input_tokens,
        output_tokens=output_tokens,
        estimated=True,
        price_id=opened.price_id,
        cost_picousd=opened.cost_picousd if cost_picousd is None else cost_picousd,
    )


def tags_text(tags: tuple[tuple[str, str], ...]) -> str:
    """Return tags as one text, at most 500 characters of whole tags."""
    text = ",".join(f"{name}={value}" if value else name for name, value in tags)
    while len(text) > MAX_TAGS_CHARACTERS:
        text = text.rpartition(",")[0]
    return text
