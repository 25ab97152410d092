"""The schemas of what the API tells of the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from narthex.http.schemas import COUNT, NUMBER, TEXT, Json, complete, listed, nullable, ref, said

DATABASE: Final[Mapping[str, Json]] = {
    "SlowQueries": complete(
        {
            "object": {"const": "list"},
            "data": said(listed(ref("SlowQuery")), "Those that took the most time together first."),
            "slow_query_ms": said(nullable(COUNT), "From when on one is slow; null while no database is open."),
            "statements": said(COUNT, "All statements since the start."),
            "total_ms": said(NUMBER, "Time that these took."),
            "connections": said(COUNT, "Connections that work just now."),
            "waiting": said(COUNT, "Works that wait for one."),
        }
    ),
    "SlowQuery": complete(
        {
            "object": {"const": "slow_query"},
            "sql": said(TEXT, "The statement, without its values."),
            "count": said(COUNT, "How often it was slow."),
            "total_ms": NUMBER,
            "longest_ms": NUMBER,
            "callers": listed(complete({"name": said(TEXT, "The function that asked."), "count": COUNT})),
        }
    ),
}
"""By name."""
