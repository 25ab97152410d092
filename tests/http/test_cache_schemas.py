"""The schemas of the cache are those of what is answered."""

from __future__ import annotations

import msgspec

from narthex.cache.reports import CacheReport, EntryReport
from narthex.http.cache_schemas import CACHE


def test_every_field_is_described_and_always_there() -> None:
    """No more and no less than the answers have."""
    for kind in (CacheReport, EntryReport):
        schema = CACHE[kind.__name__ if kind is CacheReport else "CacheEntryReport"]
        names = [field.name for field in msgspec.structs.fields(kind)]
        assert schema["required"] == names
        assert schema["additionalProperties"] is False
    assert "content" in str(CACHE["CacheEntryShown"])
    assert "content" not in str(CACHE["CacheEntryReport"]["properties"])
