"""What the caller must change about organisations, workspaces, people, keys and what belongs to them."""

from __future__ import annotations

from narthex.errors.requests import RequestError


class NotFound(RequestError):
    """There is no such thing, or it is not yours to see."""

    code = "not_found"
    status = 404
    type = "not_found_error"


class AlreadyExists(RequestError):
    """Another one has this name."""

    code = "already_exists"
    status = 409


class Conflict(RequestError):
    """This cannot be done as things stand."""

    code = "conflict"
    status = 409


class VersionConflict(RequestError):
    """It was changed since you read it: read it again, and send its new `ETag` as `If-Match`."""

    code = "version_conflict"
    status = 412
