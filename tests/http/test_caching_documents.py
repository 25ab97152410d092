"""What is said of tags."""

from __future__ import annotations

import pytest

from narthex.http.caching_documents import tell_of_tags


@pytest.mark.parametrize(
    ("path", "media_type", "tagged"),
    [
        ("/api/models", "application/json", True),
        ("/v1/models", "application/json", True),
        ("/api/users", "application/json", False),
        ("/api/usage", "text/csv", False),
        ("/metrics", "application/json", False),
    ],
)
def test_only_what_has_a_tag_may_be_there_already(path: str, media_type: str, tagged: bool) -> None:
    """JSON of the control API may be answered 304; what is never kept, and what is no JSON, is not."""
    responses: dict[str, object] = {"200": {"content": {media_type: {}}}}
    shown: dict[str, object] = {"responses": responses}
    changed: dict[str, object] = {"responses": {}}
    tell_of_tags({"paths": {path: {"get": shown, "post": changed}, "/api/keys": {"post": changed}}})
    assert ("304" in responses, "parameters" in shown, changed) == (tagged, tagged, {"responses": {}})
