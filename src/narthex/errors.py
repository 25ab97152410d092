"""The error tree: what can go wrong, as types with fields instead of messages to search.

    NarthexError
    ├── ConfigError                      the settings contradict themselves or the schema
    ├── RequestError                     the caller must change something
    │   ├── InvalidRequest          400
    │   ├── UnsupportedContent      400  the target cannot carry a part of the request
    │   ├── ContextTooLong          400
    │   ├── AuthenticationFailed    401
    │   ├── PermissionDenied        403
    │   ├── ModelNotFound           404
    │   ├── RouteNotFound           404
    │   ├── StreamNotFound          404  no such stream, or another's
    │   ├── ResponseNotFound        404  no such response is kept for this caller
    │   ├── PreviousResponseNotFound  404  what a response is to go on from is not kept
    │   ├── MethodNotAllowed        405
    │   ├── RequestTimeout          408  the request was not sent to its end in time
    │   ├── IdempotencyConflict     409  the idempotency key stands for another request
    │   ├── AnswerNotKept           409  its answer was given, and was too large to be given again
    │   ├── StreamExists            409  the caller's own ID stands for another stream
    │   ├── StreamEnded             409  there is nothing left to control
    │   ├── StreamRunning           409  what has not ended cannot be forgotten
    │   ├── StreamNotKept           409  its events are not kept, so that they cannot be read again
    │   ├── StreamExpired           410  it was kept, and is no more
    │   ├── EventsForgotten         410  its oldest events are no longer held
    │   ├── CursorAhead             400  an event that is not there yet
    │   ├── BodyTooLarge            413
    │   └── UnsupportedMediaType    415
    ├── ProviderError                    a provider failed; `failure` says how
    │   ├── ProviderRejected        4xx  the provider refused this request
    │   ├── ProviderLimited         429  its rate limit or quota
    │   ├── ProviderAuthentication  502  it refused our key
    │   ├── ProviderUnreachable     502  no connection
    │   ├── ProviderFailed          502  it answered with a failure
    │   ├── ProviderOverloaded      503
    │   ├── ProviderTimeout         504  connect, first token, stall or whole call
    │   ├── MalformedAnswer         502  what it answered is not an answer
    │   └── TruncatedAnswer         502  its answer has no end
    ├── BudgetSpent                 429  the budget of a virtual model is spent until its next period
    ├── UnformedAnswer              502  the model did not write the form that was asked for
    ├── ModelUnavailable            503  a local model that is not installed or not loadable
    ├── RateLimited                 429  no call is sent that the provider's rate limit would refuse
    ├── Overloaded                  503  this server or a model takes no more calls, or the server is stopping
    ├── DeadlineExceeded            504  the time the caller allowed is over
    ├── PausedTooLong               504  a stream was paused for longer than may be
    ├── ProducerLost                502  the process that wrote a stream died
    ├── StreamUnreachable           503  streams of other processes cannot be found just now
    ├── NodeSilent                  504  the process that writes a stream does not answer
    ├── Cancelled                   499  the caller left
    ├── InternalError               500  a fault of ours
    └── ClientError                      seen from a client of a gateway; never sent by one
        ├── GatewayUnreachable           no connection to it
        ├── GatewayTimeout               it did not answer in time
        └── BrokenAnswer                 what it answered is cut, or not an answer

The first line of a class's docstring is its default message. `code` is stable and machine-readable, `status` is the
HTTP status, `type` the OpenAI error type. Nothing here ever holds a secret or a prompt.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, TypeVar


class Failure(StrEnum):
    """How a call to a provider failed: the class that decides what may be done about it."""

    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    QUOTA_EXHAUSTED = "quota_exhausted"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    CONNECT = "connect"
    CONNECT_TIMEOUT = "connect_timeout"
    FIRST_TOKEN_TIMEOUT = "first_token_timeout"  # noqa: S105 - a word, not a secret
    STALL = "stall"
    DEADLINE = "deadline"
    CONTEXT_TOO_LONG = "context_too_long"
    CONTENT_FILTERED = "content_filtered"
    INVALID_REQUEST = "invalid_request"
    MODEL_NOT_FOUND = "model_not_found"
    UNSUPPORTED_FEATURE = "unsupported_feature"
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    UPSTREAM_ERROR = "upstream_error"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


class NarthexError(Exception):
    """Narthex could not do what was asked."""

    code: ClassVar[str] = "error"
    status: int = 500
    type: ClassVar[str] = "server_error"
    attempts: str | None = None
    """What was tried before this was told, as in the header `x-narthex-attempts`; set by the engine."""
    request_id: str | None = None
    """Under which the server's log has the request; set by the engine, and by the clients on what a server sent."""

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Keep the facts as fields.

        Args:
            message: What was bad, what was expected, and the remedy; by default the first line of the docstring.
            param: The request field at fault, as a path such as `messages.0.content`.
            retry_after_s: When trying again makes sense, in seconds from now.
        """
        self.message = message or (type(self).__doc__ or "").partition("\n")[0]
        self.param = param
        self.retry_after_s = retry_after_s
        super().__init__(self.message)


_Error = TypeVar("_Error", bound=BaseException)


def without_frames(error: _Error) -> _Error:
    """Return an error that was dealt with, and let go of the frames that it and its causes came through.

    They hold the call, and the call holds its errors: nothing of it would be freed before the collector comes by.
    """
    link: BaseException | None = error
    seen: list[BaseException] = []
    while link is not None and link not in seen:
        link.__traceback__ = None
        seen.append(link)
        link = link.__cause__ or link.__context__
    return error


class ConfigError(NarthexError):
    """The configuration cannot be used."""

    code = "config_invalid"

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Carry every problem found, each as one line `file:line:column path: what, expected, remedy`."""
        self.problems = problems
        super().__init__("\n".join(problems))


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


class ProviderError(NarthexError):
    """The provider failed."""

    code = "provider_error"
    status = 502
    type = "provider_error"
    lies_with_us: bool = False
    """Whether it was not even asked, because somebody here wanted it so: no failure to be held against it."""

    def __init__(
        self,
        message: str | None = None,
        *,
        provider: str,
        failure: Failure = Failure.UPSTREAM_ERROR,
        upstream_status: int | None = None,
        upstream_code: str | None = None,
        retryable: bool = False,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Keep what the provider said as fields.

        Args:
            message: The provider's own message where it gave one, without secrets.
            provider: Name of the provider in the configuration.
            failure: The class of the failure.
            upstream_status: HTTP status of the provider's answer, if there was one.
            upstream_code: The provider's own error code, if it gave one.
            retryable: Whether the same call may succeed elsewhere or later.
            param: The request field at fault, where the provider named it.
            retry_after_s: What the provider asked us to wait, in seconds.
        """
        super().__init__(message, param=param, retry_after_s=retry_after_s)
        self.provider = provider
        self.failure = failure
        self.upstream_status = upstream_status
        self.upstream_code = upstream_code
        self.retryable = retryable


class ProviderRejected(ProviderError):
    """The provider refused this request."""

    code = "provider_rejected"
    status = 400
    type = "invalid_request_error"


class ProviderLimited(ProviderError):
    """The provider's rate limit or quota is reached."""

    code = "provider_rate_limited"
    status = 429
    type = "rate_limit_error"


class ProviderAuthentication(ProviderError):
    """The provider refused the key that this server holds for it."""

    code = "provider_authentication"


class ProviderUnreachable(ProviderError):
    """The provider cannot be reached."""

    code = "provider_unreachable"


class ProviderFailed(ProviderError):
    """The provider answered with a failure."""

    code = "provider_failed"


class ProviderOverloaded(ProviderError):
    """The provider is overloaded."""

    code = "provider_overloaded"
    status = 503


class ProviderTimeout(ProviderError):
    """The provider did not answer in time."""

    code = "provider_timeout"
    status = 504
    type = "timeout_error"


class MalformedAnswer(ProviderError):
    """What the provider sent is not an answer."""

    code = "provider_malformed_answer"


class TruncatedAnswer(ProviderError):
    """The provider's answer was cut before its end."""

    code = "provider_truncated_answer"


class BudgetSpent(NarthexError):
    """The budget of this model is spent."""

    code = "budget_spent"
    status = 429
    type = "rate_limit_error"


class UnformedAnswer(NarthexError):
    """The model's answer is not in the form that was asked for."""

    code = "unformed_answer"
    status = 502


class ModelUnavailable(NarthexError):
    """This model is not installed here."""

    code = "model_unavailable"
    status = 503
    type = "overloaded_error"


class RateLimited(NarthexError):
    """The provider's rate limit leaves no room for this request at the moment."""

    code = "rate_limited"
    status = 429
    type = "rate_limit_error"


class Overloaded(NarthexError):
    """This server takes no more requests at the moment."""

    code = "overloaded"
    status = 503
    type = "overloaded_error"


class DeadlineExceeded(NarthexError):
    """The time allowed for this request is over."""

    code = "deadline_exceeded"
    status = 504
    type = "timeout_error"


class PausedTooLong(NarthexError):
    """The stream was paused for longer than `streams.pause_limit_s` allows, and its call was ended."""

    code = "paused_too_long"
    status = 504
    type = "timeout_error"


class ProducerLost(NarthexError):
    """The process that wrote this answer died before its end: what was written is all there is of it."""

    code = "producer_lost"
    status = 502


class StreamUnreachable(NarthexError):
    """This process does not have this stream, and Redis cannot be asked for those of others; try again in a moment."""

    code = "stream_unreachable"
    status = 503
    type = "overloaded_error"


class NodeSilent(NarthexError):
    """The process that writes this stream did not answer in time; look at the stream before you try again."""

    code = "node_silent"
    status = 504
    type = "timeout_error"


class Cancelled(NarthexError):
    """The caller left before the answer was complete."""

    code = "cancelled"
    status = 499


class InternalError(NarthexError):
    """Something failed inside Narthex; the log has the details under this request ID."""

    code = "internal_error"


class ClientError(NarthexError):
    """The gateway could not be asked."""

    code = "client_error"


class GatewayUnreachable(ClientError):
    """The gateway cannot be reached: start it with `narthex serve`, or set `NARTHEX_URL` to its address."""

    code = "gateway_unreachable"


class GatewayTimeout(ClientError):
    """The gateway did not answer in time."""

    code = "gateway_timeout"


class BrokenAnswer(ClientError):
    """The gateway's answer was cut before its end, or is not an answer."""

    code = "broken_answer"
