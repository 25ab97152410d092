"""The error tree: what can go wrong, as types with fields instead of messages to search.

    NarthexError
    ├── ConfigError                      the settings contradict themselves or the schema
    ├── RequestError                     the caller must change something
    │   ├── InvalidRequest          400
    │   ├── UnsupportedContent      400  the target cannot carry a part of the request
    │   ├── ContextTooLong          400
    │   ├── AuthenticationFailed    401
    │   │   └── SignInRequired      401  this server knows its users: nobody is let in without a name
    │   ├── SignInFailed            401  e-mail address or password is not right
    │   │   ├── SecondFactorFailed  401  the code is not valid now
    │   │   ├── SignInExpired       401  it took too long
    │   │   └── SingleSignOnFailed  401  the provider did not vouch for somebody
    │   ├── SignInThrottled         429  too many failed sign-ins
    │   ├── PermissionDenied        403
    │   │   └── CrossSiteRequest    403  a page of another site asks in somebody's name
    │   ├── ModelNotFound           404
    │   ├── RouteNotFound           404
    │   ├── StreamNotFound          404  no such stream, or another's
    │   ├── RecordingNotFound       404  no such recording, or another's
    │   ├── ResponseNotFound        404  no such response is kept for this caller
    │   ├── PreviousResponseNotFound  404  what a response is to go on from is not kept
    │   ├── NotFound                404  no such thing, or another's
    │   │   └── InvitationUnusable  404  it was used or taken back, is too old, or there never was one
    │   ├── AlreadyExists           409  another has this name
    │   ├── Conflict                409  it does not go with how things stand
    │   ├── VersionConflict         412  somebody changed it meanwhile
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
    ├── NotCached                   504  only an answer from the cache was wanted, and there is none
    ├── BudgetSpent                 429  the budget of a virtual model is spent until its next period
    ├── LimitExceeded               429  a limit of the caller's is reached
    │   └── BudgetExceeded          429  it is a budget, of money
    ├── LimitsUnreachable           503  how limits stand cannot be known just now
    ├── PriceUnknown                400  a limit of money stands on a call to a model without a price
    ├── LedgerUnavailable           503  what a call costs cannot be written down
    ├── UnformedAnswer              502  the model did not write the form that was asked for
    ├── ModelUnavailable            503  a local model that is not installed or not loadable
    ├── RateLimited                 429  no call is sent that the provider's rate limit would refuse
    ├── Overloaded                  503  this server or a model takes no more calls, or the server is stopping
    ├── DeadlineExceeded            504  the time the caller allowed is over
    ├── PausedTooLong               504  a stream was paused for longer than may be
    ├── ProducerLost                502  the process that wrote a stream died
    ├── StreamUnreachable           503  streams of other processes cannot be found just now
    ├── NodeSilent                  504  the process that writes a stream does not answer
    ├── StoreUnavailable            503  the database cannot be used
    │   ├── StoreUnreachable        503  no connection to it
    │   ├── StoreRefused            503  no rights
    │   ├── StoreBusy               503  locked, or too slow
    │   ├── StoreFull               503  its disk is full
    │   ├── StoreReadOnly           503  it cannot be written
    │   ├── StoreCorrupt            503  damaged, or no database
    │   ├── SchemaNewer             503  it belongs to a newer version
    │   ├── MasterKeyUnusable       503  what is sealed in it cannot be opened: no master key, or another one
    │   └── SealBroken              503  a sealed value in it was changed or moved
    ├── FrameUnreadable             500  what is kept compressed cannot be read; where it is a copy, it counts as a miss
    │   ├── CorruptFrame            500  it is not what was written
    │   └── DictionaryMissing       500  the dictionary that it was compressed with is gone
    ├── BackupUnusable              400  a backup is damaged, or there is something in its place
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

from narthex.errors.accounts import AlreadyExists, Conflict, NotFound, VersionConflict
from narthex.errors.base import NarthexError, alike, without_frames
from narthex.errors.clients import BrokenAnswer, ClientError, GatewayTimeout, GatewayUnreachable
from narthex.errors.ours import (
    BudgetExceeded,
    BudgetSpent,
    Cancelled,
    ConfigError,
    DeadlineExceeded,
    InternalError,
    LedgerUnavailable,
    LimitExceeded,
    LimitFacts,
    LimitsUnreachable,
    ModelUnavailable,
    NodeSilent,
    NotCached,
    Overloaded,
    PausedTooLong,
    PriceUnknown,
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
    RecordingNotFound,
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
from narthex.errors.sign_in import (
    CrossSiteRequest,
    InvitationUnusable,
    SecondFactorFailed,
    SignInExpired,
    SignInFailed,
    SignInRequired,
    SignInThrottled,
    SingleSignOnFailed,
)
from narthex.errors.stores import (
    BackupUnusable,
    CorruptFrame,
    DictionaryMissing,
    FrameUnreadable,
    MasterKeyUnusable,
    SchemaNewer,
    SealBroken,
    StoreBusy,
    StoreCorrupt,
    StoreFull,
    StoreReadOnly,
    StoreRefused,
    StoreUnavailable,
    StoreUnreachable,
)

__all__ = [
    "AlreadyExists",
    "AnswerNotKept",
    "AuthenticationFailed",
    "BackupUnusable",
    "BodyTooLarge",
    "BrokenAnswer",
    "BudgetExceeded",
    "BudgetSpent",
    "Cancelled",
    "ClientError",
    "ConfigError",
    "Conflict",
    "ContextTooLong",
    "CorruptFrame",
    "CrossSiteRequest",
    "CursorAhead",
    "DeadlineExceeded",
    "DictionaryMissing",
    "EventsForgotten",
    "Failure",
    "FrameUnreadable",
    "GatewayTimeout",
    "GatewayUnreachable",
    "IdempotencyConflict",
    "InternalError",
    "InvalidRequest",
    "InvitationUnusable",
    "LedgerUnavailable",
    "LimitExceeded",
    "LimitFacts",
    "LimitsUnreachable",
    "MalformedAnswer",
    "MasterKeyUnusable",
    "MethodNotAllowed",
    "ModelNotFound",
    "ModelUnavailable",
    "NarthexError",
    "NodeSilent",
    "NotCached",
    "NotFound",
    "Overloaded",
    "PausedTooLong",
    "PermissionDenied",
    "PreviousResponseNotFound",
    "PriceUnknown",
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
    "RecordingNotFound",
    "RequestError",
    "RequestTimeout",
    "ResponseNotFound",
    "RouteNotFound",
    "SchemaNewer",
    "SealBroken",
    "SecondFactorFailed",
    "SignInExpired",
    "SignInFailed",
    "SignInRequired",
    "SignInThrottled",
    "SingleSignOnFailed",
    "StoreBusy",
    "StoreCorrupt",
    "StoreFull",
    "StoreReadOnly",
    "StoreRefused",
    "StoreUnavailable",
    "StoreUnreachable",
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
    "VersionConflict",
    "alike",
    "without_frames",
]
