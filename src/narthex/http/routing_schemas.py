"""The schemas of what the API tells of breakers, and takes for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from narthex.http.schemas import COUNT, NUMBER, TEXT, Json, complete, listed, nullable, one_of, ref, said

ROUTING: Final[Mapping[str, Json]] = {
    "BreakerWish": complete({"state": {"enum": ["forced_open", "forced_closed", None]}}),
    "Breakers": complete({"object": {"const": "list"}, "data": listed(ref("Breaker"))}),
    "Breaker": complete(
        {
            "object": {"const": "breaker"},
            "name": said(TEXT, "`provider/model`, or `provider` for all of its models."),
            "scope": one_of("model", "provider"),
            "state": one_of("closed", "open", "half_open", "forced_open", "forced_closed"),
            "in_state_s": NUMBER,
            "cause": nullable(one_of("failing", "slow", "dead")),
            "calls": said(COUNT, "Calls ended within the window."),
            "failure_rate": {**NUMBER, "minimum": 0, "maximum": 1},
            "slow_rate": {**NUMBER, "minimum": 0, "maximum": 1},
            "consecutive_failures": COUNT,
            "openings": said(COUNT, "How often in a row it has opened."),
            "next_probe_in_s": nullable(NUMBER),
            "opened": said(COUNT, "How often it has opened by itself since the start."),
        }
    ),
}
"""By their names in the document."""
