"""Lists given page by page, as OpenAI's are: `limit`, `order` and `after` in the query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from narthex.errors import InvalidRequest

MAX_ITEMS: Final = 100
USUAL_ITEMS: Final = 20


def page(items: Sequence[Mapping[str, msgspec.Raw]], query: Mapping[str, str]) -> bytes:
    """Return the page that a query asks for, as JSON.

    Args:
        items: All there are, oldest first, each with an `id`.
        query: `limit` (1 to 100, 20 if none is given), `order` (`asc` or `desc`, which is usual) and `after`, an ID.

    Raises:
        InvalidRequest: One of these is something else, or there is no item of that ID.
    """
    limit, order, after = _limit(query), query.get("order", "desc"), query.get("after")
    if order not in {"asc", "desc"}:
        raise InvalidRequest(f"order: {order[:100]!r} is neither 'asc' nor 'desc'", param="order")
    listed = list(items) if order == "asc" else list(reversed(items))
    names = [msgspec.json.decode(item["id"], type=str) for item in listed]
    start = 0
    if after is not None:
        if after not in names:
            raise InvalidRequest(f"after: there is no item {after[:100]!r} in this list", param="after")
        start = names.index(after) + 1
    data, ids = listed[start : start + limit], names[start : start + limit]
    return msgspec.json.encode(
        {
            "object": "list",
            "data": data,
            "first_id": ids[0] if ids else None,
            "last_id": ids[-1] if ids else None,
            "has_more": start + limit < len(listed),
        }
    )


def _limit(query: Mapping[str, str]) -> int:
    said = query.get("limit", str(USUAL_ITEMS))
    if not (said.isascii() and said.isdecimal() and 1 <= len(said) <= len(str(MAX_ITEMS))):
        raise InvalidRequest(f"limit: {said[:100]!r} is no whole number from 1 to {MAX_ITEMS}", param="limit")
    if not 1 <= int(said) <= MAX_ITEMS:
        raise InvalidRequest(f"limit: {said} is not between 1 and {MAX_ITEMS}", param="limit")
    return int(said)
