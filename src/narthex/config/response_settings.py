"""The options of the responses that are kept, and what of them may contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from narthex.config.sections import Section

LongSeconds = Annotated[float, Field(gt=0, le=31_536_000)]
"""A time in seconds, above zero, at most a year."""


class ResponseSettings(Section):
    """Which answers of `POST /v1/responses` are kept, here or in Redis, and for how long."""

    store: bool = Field(
        default=True, description="Whether a response is kept whose request does not say; `store` in it wins."
    )
    keep_s: LongSeconds = Field(
        default=2_592_000.0, description="How long it is kept since it was made or last gone on from, in seconds."
    )
    max_bytes: int = Field(
        default=134_217_728, ge=65_536, description="Most that all kept responses take up; the oldest go first."
    )
    owner_bytes: int = Field(
        default=33_554_432, ge=65_536, description="Most that those of one tenant, or of one key without, take up."
    )
    response_bytes: int = Field(
        default=8_388_608, ge=4_096, description="Most of one with its input; a larger one is not kept."
    )


def response_problems(settings: ResponseSettings) -> Iterator[tuple[str, str]]:
    """Yield what cannot hold together, with the option's name."""
    if settings.owner_bytes > settings.max_bytes:
        yield "owner_bytes", f"is above `responses.max_bytes` ({settings.max_bytes}), which it is a part of"
    if settings.response_bytes > settings.owner_bytes:
        yield "response_bytes", f"is above `responses.owner_bytes` ({settings.owner_bytes}), which it is a part of"
