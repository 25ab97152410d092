"""The options of what clients may keep of what the control API tells, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, StringConstraints

from narthex.config.sections import Section

_DIRECTIVE = re.compile(r"[A-Za-z][A-Za-z-]*(=([A-Za-z0-9_-]+|\"[^\"\\\x00-\x1f\x7f]*\"))?")
_SHARED = frozenset({"public", "s-maxage", "proxy-revalidate", "must-understand"})


class HttpCacheRuleSettings(Section):
    """What is said about answers to `GET` under some paths."""

    path: Annotated[str, StringConstraints(pattern=r"^[/*][!-~]*$", max_length=200)] = Field(
        description='Paths, with `*` for anything: `"/api/models*"`.'
    )
    cache_control: str = Field(
        min_length=1, max_length=200, description="What `Cache-Control` says; `private` is added where it is missing."
    )


class HttpCacheSettings(Section):
    """What clients may keep of what they are told."""

    rules: tuple[HttpCacheRuleSettings, ...] = Field(
        default=(), description="In place of the usual; the first that fits. What shows secrets is never kept."
    )


def http_cache_problems(settings: HttpCacheSettings) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield what cannot hold, with its place in the section."""
    for number, rule in enumerate(settings.rules):
        parts = [part.strip() for part in rule.cache_control.split(",")]
        place = ("rules", number, "cache_control")
        wrong = next((part for part in parts if not _DIRECTIVE.fullmatch(part)), None)
        if wrong is not None:
            yield place, f"holds {wrong[:50]!r}, which is no directive such as `max-age=60`"
            continue
        shared = next((part for part in parts if part.partition("=")[0].lower() in _SHARED), None)
        if shared is not None:
            yield place, f"says `{shared}`, by which caches give one caller's answer to another; say `private`"
