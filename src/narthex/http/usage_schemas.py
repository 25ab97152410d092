"""The schemas of usage, ledger and prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from narthex.http.schemas import (
    COUNT,
    FLAG,
    NUMBER,
    STRINGS,
    TEXT,
    Json,
    complete,
    listed,
    nullable,
    one_of,
    record,
    ref,
    said,
)

_USD: Final[Json] = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
_SECONDS: Final[Json] = said(COUNT, "Unix time in seconds.")
_INTEGER: Final[Json] = {"type": "integer"}
_RATE: Final[Json] = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": 1_000_000},
        {"type": "string", "pattern": r"^[0-9]{1,6}(\.[0-9]{1,6})?$"},
    ]
}
_PERCENT: Final[Json] = said(
    {"type": "integer", "minimum": 0, "maximum": 100}, "How much less all of it costs as a line of a batch."
)
_SUMS: Final[Mapping[str, Json]] = {
    "requests": _INTEGER,
    "attempts": said(_INTEGER, "Calls of providers: a request may need several."),
    "failures": said(_INTEGER, "Attempts that did not bring a whole answer."),
    "input_tokens": _INTEGER,
    "output_tokens": _INTEGER,
    "cache_read_tokens": _INTEGER,
    "cache_write_tokens": _INTEGER,
    "cache_write_1h_tokens": said(_INTEGER, "Of those written: the ones that are kept for an hour."),
    "reasoning_tokens": _INTEGER,
    "images": said(_INTEGER, "Pictures made."),
    "audio_ms": said(_INTEGER, "Sound heard or spoken, in milliseconds."),
    "duration_ms": _INTEGER,
    "cost_usd": said(_USD, "Exactly."),
    "cost_microusd": said(_INTEGER, "The same, rounded."),
    "saved_usd": said(_USD, "What was not spent, as answers came from a cache."),
    "provider_cache_saved_usd": said(
        _USD, "What tokens from the caches of providers cost less, without what writing to these cost more."
    ),
    "estimated_attempts": said(_INTEGER, "Attempts whose tokens were counted here."),
    "estimated_cost_usd": said(_USD, "Of the cost: what rests on those."),
    "unpriced_tokens": said(_INTEGER, "Tokens whose price nobody knew: what they cost is not in the cost."),
    "unpriced_attempts": said(_INTEGER, "Attempts that consumed something whose price nobody knew."),
}
_CACHED: Final = ("cache_read_usd_per_mtok", "cache_write_usd_per_mtok", "cache_write_1h_usd_per_mtok")
_RATES: Final = (*_CACHED, "reasoning_usd_per_mtok")


def _list_of(name: str, **more: Json) -> Json:
    following = said(nullable(TEXT), "`after` of the part behind this one.")
    return complete(
        {"object": {"const": "list"}, "data": listed(ref(name)), "has_more": FLAG, "next": following, **more}
    )


USAGE: Final[Mapping[str, Json]] = {
    "UsageList": _list_of(
        "UsageRow",
        **{
            "from": _SECONDS,
            "to": _SECONDS,
            "overlapping": said(FLAG, "Whether a call may be in several rows: then these make up more than the total."),
            "total": ref("UsageSums"),
        },
    ),
    "UsageRow": complete(
        {
            "object": {"const": "usage"},
            "start_at": said(nullable(_SECONDS), "When the period began."),
            "by": said(STRINGS, "The value of each dimension."),
            **_SUMS,
        }
    ),
    "UsageSums": complete(_SUMS),
    "UsageForecast": complete(
        {
            "object": {"const": "usage.forecast"},
            "estimate": {"const": True},
            "period": one_of("day", "week", "month"),
            "method": said(
                one_of("weekday_means", "rate"),
                "What each weekday cost on average in the last eight weeks; or the rate until now.",
            ),
            "history_days": said(COUNT, "Whole days that it rests on."),
            "start_at": _SECONDS,
            "end_at": _SECONDS,
            "made_at": _SECONDS,
            "spent_usd": _USD,
            "expected_usd": _USD,
            "low_usd": nullable(_USD),
            "high_usd": nullable(_USD),
            "level": said(nullable(NUMBER), "How often it lies between these two."),
        }
    ),
    "LedgerEntries": _list_of("LedgerEntry"),
    "LedgerEntry": complete(
        {
            "object": {"const": "ledger.entry"},
            "created_at": _SECONDS,
            "created_at_ms": COUNT,
            **dict.fromkeys(("id", "kind", "status", "request_id", "way"), TEXT),
            "attempt": COUNT,
            **dict.fromkeys(("organisation_id", "workspace_id", "user_id", "key_id", "end_user"), TEXT),
            "tags": listed(TEXT),
            **dict.fromkeys(("operation", "surface", "provider", "model", "model_asked", "code", "price_id"), TEXT),
            "estimated": said(FLAG, "Whether its tokens were counted here."),
            **dict.fromkeys(
                (
                    "requests",
                    "input_tokens",
                    "output_tokens",
                    "cache_read_tokens",
                    "cache_write_tokens",
                    "cache_write_1h_tokens",
                    "reasoning_tokens",
                    "images",
                    "audio_ms",
                    "duration_ms",
                ),
                _INTEGER,
            ),
            "cost_usd": said(nullable(_USD), "null where nobody knew the price."),
            "cost_microusd": nullable(_INTEGER),
            "saved_usd": _USD,
        }
    ),
    "Statement": record(
        {
            "statement": said(
                {"type": "string", "minLength": 1}, "The text of a report of OpenAI or Anthropic, of FOCUS, or CSV."
            ),
            "provider": said({"type": "string", "maxLength": 200}, "Whose it is, as configured."),
            "workspace_id": said(
                nullable({"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[!-~]+$"}),
                "It is about the calls of this workspace alone; by default about all.",
            ),
            "names": said(
                {"type": "object", "additionalProperties": {"type": "string", "maxLength": 200}},
                "Models as the statement calls them, and as the ledger does.",
            ),
            "from": said(nullable(TEXT), "Leave out the days before this one."),
            "to": said(nullable(TEXT), "Leave out this day and those after it."),
            "tolerance_usd": said({"type": "string", "maxLength": 20}, "Say nothing of less, for a model a day."),
            "apply": said({"type": "boolean"}, "Write corrections; with `If-Match` only those of the report."),
        },
        ("statement",),
    ),
    "Reconciliation": complete(
        {
            "object": {"const": "ledger.reconciliation"},
            "differences": {"type": "array", "items": {"type": "object"}},
            "wrong_hours": said({"type": "array", "items": TEXT}, "Whose sums are not those of their entries."),
            "applied": {"type": "boolean"},
            "corrections": said(_INTEGER, "Entries that were written."),
        }
    ),
    "LedgerVerdict": complete(
        {
            "object": {"const": "ledger.verdict"},
            "entries": said(COUNT, "Entries that were read."),
            "hours": COUNT,
            "cost_usd": _USD,
            "not_checked": said(COUNT, "Entries at prices that were configured and are not any more."),
            "faults": said(COUNT, "How much is wrong."),
            "findings": said(
                listed(complete({"check": TEXT, "where": TEXT, "says": TEXT})), "What is wrong, the first thousand."
            ),
        }
    ),
    "Prices": _list_of("Price"),
    "Price": complete(
        {
            "object": {"const": "price"},
            "id": TEXT,
            "model": TEXT,
            "organisation_id": said(nullable(TEXT), "For whom; null for all."),
            "valid_from": _SECONDS,
            "currency": {"const": "USD"},
            "input_usd_per_mtok": _USD,
            "output_usd_per_mtok": _USD,
            **{name: said(nullable(_USD), "null where they cost what any others do.") for name in _RATES},
            "request_usd": said(_USD, "Of every call that is answered."),
            "image_usd": said(_USD, "Of every picture that is made."),
            "audio_second_usd": said(_USD, "Of every second of sound, heard or spoken."),
            "batch_discount_percent": _PERCENT,
        }
    ),
    "PriceWish": record(
        {
            "model": said(
                {"type": "string", "maxLength": 200, "pattern": "^[!-)+-.0-~]+/[!-)+-~]+$"},
                "`provider/model`, exactly.",
            ),
            "input_usd_per_mtok": _RATE,
            "output_usd_per_mtok": _RATE,
            **{name: nullable(_RATE) for name in _RATES},
            **dict.fromkeys(("request_usd", "image_usd", "audio_second_usd"), _RATE),
            "batch_discount_percent": _PERCENT,
            "currency": {"const": "USD"},
            "valid_from": said(
                nullable(_INTEGER), "Unix time in seconds, five minutes ago at the earliest; by default now."
            ),
            "organisation_id": said(nullable({"type": "string", "minLength": 1}), "For whom; by default for all."),
        },
        ("model", "input_usd_per_mtok", "output_usd_per_mtok"),
        additionalProperties=False,
    ),
}
