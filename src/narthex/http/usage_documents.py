"""The operations of usage, ledger and prices in the OpenAPI document."""

from __future__ import annotations

from typing import Final

from narthex.http.control import MAX_LISTED, USUAL_LISTED
from narthex.http.control_documents import changing
from narthex.http.operations import answers, json_body, query
from narthex.http.schemas import TEXT, Json, ref
from narthex.ledger.words import COLUMNS

_ERRORS: Final = (400, 401, 403, 404, 503)
_DIMENSION: Final = f"({'|'.join(COLUMNS)}|tag:[A-Za-z0-9._-]{{1,64}})"
_MOMENT: Final[Json] = {
    "anyOf": [
        {"type": "string", "format": "date"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "pattern": "^[0-9]{9,11}$"},
    ]
}
_PLACE: Final[Json] = {"type": "string", "pattern": "^[0-9]{1,9}$"}
_PERIOD: Final[Json] = {"enum": ["hour", "day", "week", "month"]}
_NARROWED: Final[tuple[Json, ...]] = (
    query("from", _MOMENT, "A day, a time, or seconds of Unix time; by default the beginning of this month."),
    query("to", _MOMENT, "The first moment that is not asked for; by default now."),
    query("workspace_id", TEXT, "Of this workspace; by default of your own, and of all for who runs the server."),
    query("organisation_id", TEXT, "Of this organisation."),
    *(
        query(name, TEXT, "Only with this value; may be given several times.")
        for name in ("user_id", "key_id", "model", "provider", "operation", "end_user", "surface", "status", "kind")
    ),
    query("tag", TEXT, "Only with this tag, `name=value` or a word; may be given several times."),
)
_BY: Final = query(
    "by",
    {"type": "string", "pattern": f"^{_DIMENSION}(,{_DIMENSION}){{0,5}}$"},
    "Dimensions, with commas between them; `tag` is each tag, `tag:NAME` the value of one, `tags` all of a call.",
)
_REQUEST: Final = query("request_id", TEXT, "Only of this request.")


def _pages(most: int, usual: int, place: Json = _PLACE) -> tuple[Json, ...]:
    number: Json = {"type": "integer", "minimum": 1, "maximum": most}
    return (
        query("limit", number, f"How many; {usual} by default."),
        query("after", place, "`next` of the part before."),
    )


def _reading(name: str, tag: str, summary: str, *parameters: Json) -> Json:
    told = answers(json_body(name), "A part of the list.", errors=_ERRORS)
    return {"tags": [tag], "summary": summary, "openapi_extra": {"parameters": list(parameters)}, "responses": told}


USAGE: Final = _reading(
    "UsageList",
    "Usage",
    "Tell who used what, and what it cost",
    _BY,
    query("period", _PERIOD, "A row for each of these, in UTC."),
    *_NARROWED,
    _REQUEST,
    *_pages(1_000, 100),
)
FORECAST: Final = _reading(
    "UsageForecast",
    "Usage",
    "Estimate what this period will have cost at its end",
    query("period", {"enum": ["day", "week", "month"]}, "`month` by default."),
    *_NARROWED,
)
EXPORT: Final[Json] = {
    "tags": ["Usage"],
    "summary": "Get sums, entries or costs in the FOCUS format as a file",
    "openapi_extra": {
        "parameters": [
            query("what", {"enum": ["usage", "entries", "focus"]}, "`usage` by default."),
            query("format", {"enum": ["csv", "json", "jsonl", "parquet"]}, "`csv` by default."),
            _BY,
            query("period", _PERIOD, "A row for each of these, in UTC."),
            *_NARROWED,
        ]
    },
    "responses": answers(
        {
            "text/csv; charset=utf-8": {"schema": TEXT},
            "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
            "application/x-ndjson": {"schema": TEXT},
            "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
        },
        "The file, as it is read.",
        errors=_ERRORS,
    ),
}
ENTRIES: Final = _reading(
    "LedgerEntries",
    "Usage",
    "List the entries of the ledger, the newest first",
    *_NARROWED,
    _REQUEST,
    query("code", TEXT, "Only with this value; may be given several times."),
    *_pages(MAX_LISTED, USUAL_LISTED, TEXT),
)
RECONCILE: Final = changing(
    "Reconciliation", "Usage", "Hold the ledger against what a provider has billed, and correct it", body="Statement"
)
VERIFY: Final[Json] = {
    "tags": ["Usage"],
    "summary": "Check that all of the ledger is right",
    "responses": answers(json_body("LedgerVerdict"), "What was found.", errors=(401, 403, 409, 503, 504)),
}
LIST_PRICES: Final = _reading(
    "Prices",
    "Prices",
    "List the versions of prices, the newest first",
    query("model", TEXT, "Only of this model."),
    query("organisation_id", TEXT, "The common ones and those of this organisation; by default of your own."),
    *_pages(MAX_LISTED, USUAL_LISTED),
)
CREATE_PRICE: Final[Json] = {
    "tags": ["Prices"],
    "summary": "Let a model cost something else from a moment on",
    "openapi_extra": {"requestBody": {"required": True, "content": {"application/json": {"schema": ref("PriceWish")}}}},
    "responses": answers(json_body("Price"), "The version.", errors=(400, 401, 403, 404, 408, 409, 413, 503)),
}
