"""Lists given page by page: every item once, in order, whatever the size of a page."""

from __future__ import annotations

import json
from typing import cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import InvalidRequest
from narthex.http.pages import page

Json = dict[str, object]


def items(count: int) -> list[dict[str, msgspec.Raw]]:
    """Return items with the IDs 0, 1, 2 and so on."""
    return [{"id": msgspec.Raw(b'"%d"' % number)} for number in range(count)]


def got(count: int, **query: str) -> Json:
    """Return the page of so many items that a query asks for."""
    return cast("Json", json.loads(page(items(count), query)))


@given(st.integers(0, 30), st.integers(1, 12), st.sampled_from(["asc", "desc"]))
def test_pages_make_the_list(count: int, limit: int, order: str) -> None:
    """Asked for one after the other, they hold each item once, in order, and the last one says that it is."""
    seen: list[str] = []
    query = {"limit": str(limit), "order": order}
    while True:
        one = got(count, **query)
        ids = [str(item["id"]) for item in cast("list[Json]", one["data"])]
        assert len(ids) <= limit
        assert (one["first_id"], one["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
        seen += ids
        if not one["has_more"]:
            break
        query["after"] = ids[-1]
    expected = [str(number) for number in range(count)]
    assert seen == (expected if order == "asc" else expected[::-1])


def test_a_plain_list_begins_with_the_newest() -> None:
    """Without a query it is the twenty newest."""
    one = got(30)
    assert (one["first_id"], one["last_id"], one["has_more"]) == ("29", "10", True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("limit", value) for value in ("0", "101", "-1", "1.5", "x", "", "٣", "9" * 5_000)),
        ("order", "up"),
        ("after", "7"),
    ],
)
def test_what_is_no_page_is_refused(name: str, value: str) -> None:
    """A query that makes no sense is told by the name of what is wrong in it."""
    with pytest.raises(InvalidRequest) as raised:
        got(3, **{name: value})
    assert raised.value.param == name
