"""What the OpenAPI document says of answers that a client has already."""

from __future__ import annotations

from typing import Final, cast

from narthex.http.caching import is_personal
from narthex.http.operations import ANSWER_HEADERS
from narthex.http.schemas import Json

_IF_NONE_MATCH: Final[Json] = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` of what you have: if it is still that, nothing is sent but 304.",
    "schema": {"type": "string"},
}
_NOT_MODIFIED: Final[Json] = {"description": "What you have is still what there is.", "headers": ANSWER_HEADERS}
_TAGGED: Final = ("/api/", "/v1/models")


def tell_of_tags(document: Json) -> None:
    """Add to each operation whose answers have a tag that it may be sent back."""
    for path, methods in cast("dict[str, dict[str, dict[str, Json]]]", document["paths"]).items():
        shown = methods.get("get")
        if shown is None or not path.startswith(_TAGGED) or is_personal(path):
            continue
        told = cast("dict[str, dict[str, Json]]", shown["responses"])
        if "application/json" in told.get("200", {}).get("content", {}):
            # An operation as the framework has it: its parameters are a list.
            cast("dict[str, object]", shown)["parameters"] = [*shown.get("parameters", ()), _IF_NONE_MATCH]
            cast("dict[str, object]", told)["304"] = _NOT_MODIFIED
