"""What may be said of providers' caches of prompts."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from narthex.config.context_cache_settings import ContextCacheSettings


def test_by_default_they_are_used_where_it_pays() -> None:
    """Prefixes are kept for the shorter time, which costs less to write."""
    assert (ContextCacheSettings().mode, ContextCacheSettings().ttl) == ("auto", "5m")


@pytest.mark.parametrize("option", [{"mode": "on"}, {"ttl": "2h"}, {"unknown": 1}])
def test_nonsense_is_refused(option: dict[str, object]) -> None:
    """A word that stands for nothing is an error at load."""
    with pytest.raises(ValidationError):
        ContextCacheSettings.model_validate(option)
