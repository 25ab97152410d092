"""The words for what usage can be told apart by, apart from the database, which is slow to load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

COLUMNS: Final[Mapping[str, str]] = {
    "organisation": "organisation_id",
    "workspace": "workspace_id",
    "user": "user_id",
    "key": "key_id",
    "model": "model",
    "provider": "provider",
    "operation": "operation",
    "tag": "tags",
    "tags": "tags",
    "end_user": "end_user",
    "surface": "surface",
    "status": "status",
    "kind": "kind",
    "way": "way",
    "code": "code",
    "model_asked": "model_asked",
    "request": "request_id",
}
"""Dimensions, and the columns of the entries that they are read from; `tag` is each tag, `tags` all of a call."""
