"""The schemas of limits and alerts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from narthex.http.schemas import COUNT, FLAG, TEXT, Json, complete, listed, nullable, one_of, record, ref, said
from narthex.types.limits import MAX_COUNT, Measure, Period, SubjectKind

_MS: Final[Json] = said(COUNT, "Unix time in milliseconds.")
_ID: Final[Json] = {"type": "string", "minLength": 1, "maxLength": 64}
_AMOUNT: Final[Json] = said(
    {"type": "integer", "minimum": 0, "maximum": MAX_COUNT}, "Money in microdollars; with 0 nothing passes."
)
_PERCENTS: Final[Json] = said(
    listed({"type": "integer", "minimum": 1, "maximum": 1_000}, maxItems=20), "At which somebody is told."
)
_BURST: Final[Json] = said(
    nullable({"type": "integer", "minimum": 1, "maximum": MAX_COUNT}), "Of a rolling second or minute: a token bucket."
)
_CHANGE: Final[Mapping[str, Json]] = {
    "amount": _AMOUNT,
    "burst": _BURST,
    "hard": said(FLAG, "Whether it refuses, or only tells."),
    "alert_percents": _PERCENTS,
    "enabled": FLAG,
}
_WHAT: Final[Mapping[str, Json]] = {
    "subject_kind": one_of(*SubjectKind),
    "subject": said(
        {"type": "string", "minLength": 1, "maxLength": 200}, "ID, name or pattern; `*` for each separately."
    ),
    "measure": one_of(*Measure),
}
_WHEN: Final[Mapping[str, Json]] = {
    "period": said(one_of(*Period), "`total` by default: for ever, or of what is under way at one time."),
    "window": said(one_of("calendar", "rolling"), "`calendar` by default, in UTC."),
}


def _list_of(name: str) -> Json:
    more = {"has_more": FLAG, "next": said(nullable(TEXT), "`after` of the part behind this one.")}
    return complete({"object": {"const": "list"}, "data": listed(ref(name)), **more})


LIMITS: Final[Mapping[str, Json]] = {
    "Limits": _list_of("Limit"),
    "Limit": complete(
        {
            "object": {"const": "limit"},
            "id": TEXT,
            "organisation_id": TEXT,
            "workspace_id": said(nullable(TEXT), "null where it concerns all of the organisation."),
            **_WHAT,
            **_WHEN,
            "amount": COUNT,
            "amount_usd": said(nullable(TEXT), "Of money: the amount in dollars, exactly."),
            "burst": nullable(COUNT),
            "hard": FLAG,
            "alert_percents": listed(COUNT),
            "enabled": FLAG,
            "created_at": said(COUNT, "Unix time in seconds."),
            "version": COUNT,
        }
    ),
    "LimitWish": record(
        {
            "organisation_id": nullable(_ID),
            "workspace_id": nullable(_ID),
            **_WHAT,
            **_WHEN,
            **_CHANGE,
            "currency": said({"const": "USD"}, "In which prices are known."),
        },
        ("subject_kind", "subject", "measure", "amount"),
        additionalProperties=False,
    ),
    "LimitChange": record({**_WHEN, **_CHANGE}, additionalProperties=False),
    "LimitDeleted": complete({"object": {"const": "limit"}, "id": TEXT, "deleted": {"const": True}}),
    "LimitUsages": _list_of("LimitUsage"),
    "LimitUsage": complete(
        {
            "object": {"const": "limit_usage"},
            "limit_id": TEXT,
            "organisation_id": TEXT,
            "workspace_id": nullable(TEXT),
            "subject_kind": one_of(*SubjectKind),
            "subject": said(TEXT, "Whose use it is; of each that is counted separately, one entry."),
            "measure": one_of(*Measure),
            "period": one_of(*Period),
            "window": one_of("calendar", "rolling"),
            "hard": FLAG,
            "amount": COUNT,
            "used": COUNT,
            "reserved": said(COUNT, "By calls under way."),
            "resets_at": said(nullable(_MS), "When nothing is used any more; null where no time brings that."),
        }
    ),
    "Alerts": _list_of("Alert"),
    "Alert": complete(
        {
            "object": {"const": "alert"},
            "id": TEXT,
            "limit_id": TEXT,
            "organisation_id": TEXT,
            "workspace_id": nullable(TEXT),
            "percent": COUNT,
            "used": COUNT,
            "amount": COUNT,
            "period_start": _MS,
            "at": _MS,
        }
    ),
}
"""By their names in the document."""
