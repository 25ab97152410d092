"""The operations of the cache in the OpenAPI document."""

from __future__ import annotations

from typing import Final

from narthex.http.control_documents import changing, listing
from narthex.http.operations import answers, json_body, query
from narthex.http.schemas import TEXT, Json

_TAG: Final = "Cache"
_FLAG: Final[Json] = {"enum": ["true", "false"]}

STATS: Final[Json] = {
    "tags": [_TAG],
    "summary": "How the cache does: of one's own workspace, or of everything for whoever runs the server",
    "responses": answers(json_body("CacheReport"), "Since this process began.", errors=(401, 403, 503)),
}
MISSES: Final = listing(
    "CacheMisses",
    _TAG,
    "Why the latest calls were not answered from the cache",
    query("request_id", TEXT, "Only this call."),
)
ENTRIES: Final = listing(
    "CacheEntries",
    _TAG,
    "List what lies in memory, the latest first",
    query("model", TEXT, "Only answers of this `provider/model`."),
    query("tag", TEXT, "Only those with this tag."),
)
ENTRY: Final[Json] = {
    "tags": [_TAG],
    "summary": "Show what is known of an answer that is kept, and what it says if that is asked for",
    "openapi_extra": {
        "parameters": [query("content", _FLAG, "Whether to tell what it says: needs `requests:read_content`.")]
    },
    "responses": answers(json_body("CacheEntryShown"), "How it is.", errors=(400, 401, 403, 404, 503)),
}
DELETE_ENTRY: Final[Json] = {
    "tags": [_TAG],
    "summary": "Let go of an answer that is kept",
    "responses": answers(json_body("CacheEntryDeleted"), "It is gone.", errors=(401, 403, 404, 503)),
}
CLEAR: Final = changing(
    "CacheChange", _TAG, "Let go of all that is kept for one's workspace", body="CacheClear", is_new=True, ends=True
)
INVALIDATE: Final = changing(
    "CacheChange",
    _TAG,
    "Have nothing with these keys, tags, models or prompts be given again",
    body="CacheInvalidation",
    is_new=True,
    ends=True,
)
REOPEN: Final[Json] = {
    **changing(
        "CacheCategory",
        _TAG,
        "Have answers serve questions that mean the same again, in a category that was closed; for whoever runs it",
        body="CacheReopen",
        is_new=True,
        ends=True,
    ),
}
WARM: Final = changing(
    "CacheWarming",
    _TAG,
    "Have requests answered and kept, on one's own account",
    body="CacheWarm",
    is_new=True,
    ends=True,
)
INSIGHTS: Final[Json] = {
    "tags": [_TAG],
    "summary": "How predictions do: of one's own workspace, or of everything for whoever runs the server",
    "responses": answers(json_body("CacheInsights"), "Since this process began.", errors=(401, 403, 503)),
}
PREDICT: Final = changing(
    "CachePredictions", _TAG, "What one is likely to ask next", body="CachePredict", is_new=True, ends=True
)
PREFETCH: Final = changing(
    "CachePrefetching",
    _TAG,
    "Have answered what one is likely to ask next, on one's own account",
    body="CachePredict",
    is_new=True,
    ends=True,
)
