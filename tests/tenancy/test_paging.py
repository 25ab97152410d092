"""Where parts of lists begin."""

from __future__ import annotations

import pytest

from narthex.errors import NotFound
from narthex.tenancy.paging import cursor, place_of


def test_a_place_is_found_again() -> None:
    """What was told leads back to the row."""
    assert place_of(cursor(17, "key_a"), is_time=True) == (17, "key_a")
    assert place_of(cursor("rol_b", "rol_b"), is_time=False) == ("rol_b", "rol_b")


@pytest.mark.parametrize(
    "said",
    ["", "é", "x", "AAAA", "!!!!", cursor(2**63, "a"), cursor(-1, "a"), cursor(1, "a\0"), cursor("1" * 5_000, "a")],
)
def test_no_other_place_is(said: str) -> None:
    """Anything else is refused."""
    with pytest.raises(NotFound):
        place_of(said, is_time=True)
