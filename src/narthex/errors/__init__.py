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

from narthex.errors.base import NarthexError, without_frames
from narthex.errors.clients import BrokenAnswer, ClientError, GatewayTimeout, GatewayUnreachable
from narthex.errors.ours import (
    BudgetSpent,
    Cancelled,
    ConfigError,
    DeadlineExceeded,
    InternalError,
    ModelUnavailable,
    NodeSilent,
    Overloaded,
    PausedTooLong,
    ProducerLost,
    RateLimited,
    StreamUnreachable,
    UnformedAnswer,
)
from narthex.errors.providers import (
    Failure,
    MalformedAnswer,
    ProviderAuthentication,
    ProviderError,
    ProviderFailed,
    ProviderLimited,
    ProviderOverloaded,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnreachable,
    TruncatedAnswer,
)
from narthex.errors.requests import (
    AnswerNotKept,
    AuthenticationFailed,
    BodyTooLarge,
    ContextTooLong,
    CursorAhead,
    EventsForgotten,
    IdempotencyConflict,
    InvalidRequest,
    MethodNotAllowed,
    ModelNotFound,
    PermissionDenied,
    PreviousResponseNotFound,
    RequestError,
    RequestTimeout,
    ResponseNotFound,
    RouteNotFound,
    StreamEnded,
    StreamExists,
    StreamExpired,
    StreamNotFound,
    StreamNotKept,
    StreamRunning,
    UnsupportedContent,
    UnsupportedMediaType,
)

__all__ = [
    "AnswerNotKept",
    "AuthenticationFailed",
    "BodyTooLarge",
    "BrokenAnswer",
    "BudgetSpent",
    "Cancelled",
    "ClientError",
    "ConfigError",
    "ContextTooLong",
    "CursorAhead",
    "DeadlineExceeded",
    "EventsForgotten",
    "Failure",
    "GatewayTimeout",
    "GatewayUnreachable",
    "IdempotencyConflict",
    "InternalError",
    "InvalidRequest",
    "MalformedAnswer",
    "MethodNotAllowed",
    "ModelNotFound",
    "ModelUnavailable",
    "NarthexError",
    "NodeSilent",
    "Overloaded",
    "PausedTooLong",
    "PermissionDenied",
    "PreviousResponseNotFound",
    "ProducerLost",
    "ProviderAuthentication",
    "ProviderError",
    "ProviderFailed",
    "ProviderLimited",
    "ProviderOverloaded",
    "ProviderRejected",
    "ProviderTimeout",
    "ProviderUnreachable",
    "RateLimited",
    "RequestError",
    "RequestTimeout",
    "ResponseNotFound",
    "RouteNotFound",
    "StreamEnded",
    "StreamExists",
    "StreamExpired",
    "StreamNotFound",
    "StreamNotKept",
    "StreamRunning",
    "StreamUnreachable",
    "TruncatedAnswer",
    "UnformedAnswer",
    "UnsupportedContent",
    "UnsupportedMediaType",
    "without_frames",
]
