"""By what usage can be told apart."""

from __future__ import annotations

import pytest

from narthex.errors import InvalidRequest
from narthex.ledger.dimensions import ENTRIES, HOURS, dimension_of, reader_of, tag_value
from narthex.ledger.words import COLUMNS


def test_every_dimension_is_a_column_of_the_entries() -> None:
    """None is made up."""
    for name in COLUMNS:
        assert dimension_of(name, param="by").column in ENTRIES.c


@pytest.mark.parametrize("name", ["modle", "", "model:", "model:a", "tag:"])
def test_an_unknown_one_is_told_with_those_there_are(name: str) -> None:
    """And the nearest, if it is near."""
    with pytest.raises(InvalidRequest, match="there are organisation"):
        dimension_of(name, param="by")


def test_providers_are_known_by_their_models_where_hours_are_summed() -> None:
    """Which know no provider."""
    provider = dimension_of("provider", param="by")
    assert provider.is_known_to(HOURS)
    assert reader_of(HOURS, provider)("acme/one/two") == ("acme",)
    assert reader_of(ENTRIES, provider)("acme") == ("acme",)


def test_tags_are_told_one_by_one_or_by_the_value_of_one() -> None:
    """A tag that is only the beginning of another is another."""
    assert reader_of(HOURS, dimension_of("tag", param="by"))("team=a,urgent") == ["team=a", "urgent"]
    assert reader_of(HOURS, dimension_of("tag:team", param="by"))("steam=b,team=a") == ("a",)
    assert tag_value("steam=b,team", "team") == ""
