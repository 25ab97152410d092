"""What the caller must change."""

from __future__ import annotations

from narthex.errors.base import NarthexError


class RequestError(NarthexError):
    """The request cannot be served as it stands."""

    code = "invalid_request"
    status = 400
    type = "invalid_request_error"


class InvalidRequest(RequestError):
    """The request is not valid."""


class UnsupportedContent(RequestError):
    """The chosen model cannot carry a part of this request."""

    code = "unsupported_content"


class ContextTooLong(RequestError):
    """The request is longer than the model's context window."""

    code = "context_length_exceeded"


class AuthenticationFailed(RequestError):
    """No valid API key: send one as `Authorization: Bearer …` or `x-api-key`."""

    code = "invalid_api_key"
    status = 401
    type = "authentication_error"


class PermissionDenied(RequestError):
    """This key may not do that."""

    code = "permission_denied"
    status = 403
    type = "permission_error"


class ModelNotFound(RequestError):
    """No such model; `GET /v1/models` lists those there are."""

    code = "model_not_found"
    status = 404
    type = "not_found_error"


class RouteNotFound(RequestError):
    """No such route; `/docs` lists those there are."""

    code = "route_not_found"
    status = 404
    type = "not_found_error"


class ResponseNotFound(RequestError):
    """No such response is kept for this caller."""

    code = "response_not_found"
    status = 404


class PreviousResponseNotFound(RequestError):
    """The response to go on from is not kept for this caller: send the conversation so far as `input`."""

    code = "previous_response_not_found"
    status = 404


class MethodNotAllowed(RequestError):
    """This route does not take that method."""

    code = "method_not_allowed"
    status = 405


class RequestTimeout(RequestError):
    """The request was not sent to its end in time."""

    code = "request_timeout"
    status = 408
    type = "timeout_error"


class IdempotencyConflict(RequestError):
    """This `Idempotency-Key` was used for another request: send a new key, or the first request unchanged."""

    code = "idempotency_conflict"
    status = 409


class AnswerNotKept(RequestError):
    """The answer under this `Idempotency-Key` was given, and was too large to be kept: to ask again, send a new key."""

    code = "idempotency_answer_not_kept"
    status = 409


class StreamNotFound(RequestError):
    """No such stream of yours; `GET /v1/streams` lists those there are."""

    code = "stream_not_found"
    status = 404
    type = "not_found_error"


class RecordingNotFound(RequestError):
    """No such recording of yours; `GET /v1/recordings` lists those there are."""

    code = "recording_not_found"
    status = 404
    type = "not_found_error"


class StreamExists(RequestError):
    """This `x-narthex-stream-id` stands for another stream of yours: choose a new one for each call."""

    code = "stream_exists"
    status = 409


class StreamEnded(RequestError):
    """This stream has ended: there is nothing left to control."""

    code = "stream_ended"
    status = 409


class StreamRunning(RequestError):
    """This stream has not ended: cancel it first."""

    code = "stream_running"
    status = 409


class StreamNotKept(RequestError):
    """The events of this stream are not kept: send `x-narthex-stream-id` or `x-narthex-on-disconnect` with the call."""

    code = "stream_not_kept"
    status = 409


class StreamExpired(RequestError):
    """This stream was kept for as long as `streams.keep_s` says, and is no more: ask again."""

    code = "stream_expired"
    status = 410


class EventsForgotten(RequestError):
    """The events after this one are no longer held: a stream holds as much as `streams.max_bytes` says."""

    code = "events_forgotten"
    status = 410


class CursorAhead(RequestError):
    """There is no such event yet: give the number of the last event that you have."""

    code = "cursor_ahead"


class BodyTooLarge(RequestError):
    """The request body is larger than `server.max_body_bytes` allows."""

    code = "body_too_large"
    status = 413


class UnsupportedMediaType(RequestError):
    """The request body must be JSON: send `Content-Type: application/json`."""

    code = "unsupported_media_type"
    status = 415
