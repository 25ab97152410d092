"""The options for the caches of prompts that providers have."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from narthex.config.sections import Section

ContextCacheMode = Literal["off", "auto"]
"""Whether requests are written so that providers' caches are used well."""

CONTEXT_CACHE_HELP = (
    "Whether providers are told what to keep of prompts, where it is likely to come again and the caller says nothing "
    "of it: `auto` or `off`."
)


class ContextCacheSettings(Section):
    """What providers are told to keep of prompts."""

    mode: ContextCacheMode = Field(default="auto", description=CONTEXT_CACHE_HELP)
    ttl: Literal["5m", "1h"] = Field(
        default="5m",
        description="How long it is kept after its last use, where that can be said; an hour costs more to write.",
    )
    by_prefix: bool = Field(
        default=True,
        description=(
            "Whether calls that begin alike, and are large enough for a provider to keep that, go to the same member "
            "of a virtual model with the strategy `weighted` or `least_busy`, and use the same one of several keys."
        ),
    )
