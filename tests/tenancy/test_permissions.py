"""Permissions and the built-in roles."""

from __future__ import annotations

import pytest

from narthex.errors import InvalidRequest
from narthex.tenancy.permissions import ALL, BUILT_IN, CALL_MODELS, checked


def test_roles_are_sets_of_permissions_that_there_are() -> None:
    """No role allows what there is not, and the owner's allows all."""
    assert all(role <= ALL for role in BUILT_IN.values())
    assert BUILT_IN["owner"] == ALL
    assert BUILT_IN["viewer"] < BUILT_IN["member"] < BUILT_IN["admin"] < BUILT_IN["owner"]


def test_who_only_looks_changes_nothing_and_reads_nobodys_words() -> None:
    """A viewer writes nothing, calls nothing, and sees no content; billing sees what things cost."""
    assert all(word.endswith(":read") for word in BUILT_IN["viewer"])
    assert "requests:read_content" not in BUILT_IN["viewer"] | BUILT_IN["member"]
    assert not BUILT_IN["billing"] & (CALL_MODELS | {"keys:write", "requests:read"})


def test_permissions_come_in_order() -> None:
    """What is given twice is given once, and what is none is named."""
    assert checked(["usage:read", "keys:read", "usage:read"]) == ("keys:read", "usage:read")
    with pytest.raises(InvalidRequest, match="'keys:eat' is no permission"):
        checked(["keys:eat"])
