"""The schemas of the cache, made of what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from narthex.cache.directives import MAX_TAGS, MAX_TTL_S
from narthex.cache.reports import CacheReport, EntryReport, MissReport
from narthex.cache.semantic.contract import CATEGORIES
from narthex.http.schemas import COUNT, FLAG, TEXT, Json, complete, listed, nullable, record, ref, said
from narthex.pipeline.insights import Insights, Prediction
from narthex.pipeline.prefetching import Made
from narthex.pipeline.warming import MAX_PARALLEL, MAX_REQUESTS, USUAL_PARALLEL, Warmed

_WORD: Final[Json] = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"}
_NAME: Final[Json] = {"type": "string", "pattern": "^[A-Za-z0-9_.:/@-]{1,64}$"}
_KEY: Final[Json] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_NAMED: Final = 100
_CATEGORY: Final[Json] = {"enum": list(CATEGORIES)}


def _schemas() -> dict[str, Json]:
    kinds = [CacheReport, EntryReport, MissReport, Warmed, Insights, Prediction, Made]
    _, parts = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/Cache{name}")
    found = {f"Cache{name}".replace("CacheCache", "Cache"): _complete(schema) for name, schema in parts.items()}
    return {name: _referring(schema) for name, schema in found.items()}


def _complete(schema: Json) -> Json:
    """Return a schema of an answer of ours, in which every field is always there."""
    told = {name: value for name, value in schema.items() if name not in {"title", "description"}}
    properties = schema["properties"]
    assert isinstance(properties, dict)
    plain = {
        name: {word: value for word, value in one.items() if word != "default"} for name, one in properties.items()
    }
    return {**told, "properties": plain, "required": list(plain)}


def _referring(value: object) -> Json:
    """Have references lead to the names that the schemas have here."""
    text = msgspec.json.encode(value).replace(b"/schemas/CacheCache", b"/schemas/Cache")
    decoded: Json = msgspec.json.decode(text)
    return decoded


def _list_of(name: str) -> Json:
    more = {"has_more": FLAG, "next": said(nullable(TEXT), "`after` of the part behind this one.")}
    return complete({"object": {"const": "list"}, "data": listed(ref(name)), **more})


_EVERYTHING: Final[Json] = said(FLAG, "Of all workspaces: only for whoever runs the server.")
_PARTS: Final = _schemas()
_ENTRY: Final = _PARTS["CacheEntryReport"]

CACHE: Final[Mapping[str, Json]] = {
    **_PARTS,
    "CacheMisses": _list_of("CacheMissReport"),
    "CacheEntries": _list_of("CacheEntryReport"),
    "CacheEntryShown": {
        **_ENTRY,
        "properties": {
            **_ENTRY["properties"],  # type: ignore[dict-item]  # a dictionary, as all schemas of records have it
            "content": said({}, "What it says: a body of its dialect, or messages and how they ended."),
        },
    },
    "CacheEntryDeleted": complete({"object": {"const": "cache_entry"}, "key": TEXT, "deleted": {"const": True}}),
    "CacheClear": record({"everything": _EVERYTHING}, additionalProperties=False),
    "CacheInvalidation": record(
        {
            "keys": listed(_KEY, maxItems=_NAMED),
            "tags": said(listed(_WORD, maxItems=_NAMED), "One's own; `*` stands for anything."),
            "models": said(
                listed(_WORD, maxItems=_NAMED), "As they were asked for, or `provider/model`; `*` stands for anything."
            ),
            "prompts": said(
                listed(_WORD, maxItems=_NAMED),
                "As calls named them (`x-narthex-cache: on; prompt=reply@3`); without a version all of them; "
                "`*` stands for anything.",
            ),
            "everything": _EVERYTHING,
        },
        additionalProperties=False,
    ),
    "CacheChange": complete(
        {"object": {"const": "cache_change"}, "removed": said(COUNT, "Answers that were in memory.")}
    ),
    "CacheReopen": record({"category": _CATEGORY}, ("category",), additionalProperties=False),
    "CacheCategory": complete(
        {"object": {"const": "cache_category"}, "category": _CATEGORY, "closed": {"const": False}}
    ),
    "CacheWarm": record(
        {
            "requests": said(
                listed({}, minItems=1, maxItems=MAX_REQUESTS),
                "Each as for `/v1/chat/completions`; one that is none fails alone.",
            ),
            "tags": listed(_NAME, maxItems=MAX_TAGS),
            "ttl_s": said(
                nullable({"type": "number", "minimum": 0, "maximum": MAX_TTL_S}), "How long answers are fresh."
            ),
            "parallel": said(
                {"type": "integer", "minimum": 1, "maximum": MAX_PARALLEL},
                f"How many go out at once; {USUAL_PARALLEL} by default.",
            ),
        },
        ("requests",),
        additionalProperties=False,
    ),
    "CachePredict": record(
        {
            "conversation": said(
                {"type": "string", "maxLength": 200},
                "As in `x-narthex-conversation`, or the end user; nothing for calls that say neither.",
            )
        },
        additionalProperties=False,
    ),
    "CachePredictions": complete({"object": {"const": "cache_predictions"}, "data": listed(ref("CachePrediction"))}),
    "CachePrefetching": complete({"object": {"const": "cache_prefetching"}, "data": listed(ref("CacheMade"))}),
    "CacheWarming": complete(
        {
            "object": {"const": "cache_warming"},
            "kept": COUNT,
            "not_kept": COUNT,
            "failed": COUNT,
            "data": listed(ref("CacheWarmed")),
        }
    ),
}
"""By their names in the document."""
