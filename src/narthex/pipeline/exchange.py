"""Everything about one call, from its bytes to its bill."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Protocol

import msgspec

from narthex.errors import InvalidRequest, NarthexError
from narthex.types.dialects import Dialect, Operation
from narthex.types.priorities import Priority
from narthex.types.requests import ChatRequest, EmbeddingRequest
from narthex.types.usage import Usage
from narthex.wire.anthropic_messages import decode_count_request
from narthex.wire.openai_embeddings import OPENAI_EMBEDDINGS
from narthex.wire.registry import CHAT_WIRES

if TYPE_CHECKING:
    from asyncio import Future

    from narthex.pipeline.billing import Bill
    from narthex.pipeline.cached_answers import Hit
    from narthex.pipeline.merges import Merger
    from narthex.pipeline.replay import Kept
    from narthex.providers.catalog import Target
    from narthex.providers.contract import PartialTimeouts
    from narthex.routing.plan import Plan
    from narthex.streams.stream import Stream
    from narthex.streams.throttle import Pace
    from narthex.tenancy.bounds import Capture
    from narthex.tenancy.keys import Caller

MAX_END_USER = 200
"""Characters of an end user's name that are written down."""

_PREFIX = f"req_{secrets.token_hex(8)}"
_serial = itertools.count(1)


def new_request_id() -> str:
    """Return an ID that no other request has, here or on another node."""
    return f"{_PREFIX}{next(_serial):08x}"


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = False


class Head(msgspec.Struct):
    """What must be known of a body to send it on and to write it down: the rest stays bytes."""

    model: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: object = None
    max_completion_tokens: object = None
    max_output_tokens: object = None
    user: object = None
    """OpenAI's word for who asks the application."""
    safety_identifier: object = None
    """OpenAI's later word for it."""
    temperature: object = None
    """With 0, an answer may well be the same each time."""
    metadata: object = None
    """Of which `user_id` is Anthropic's word for it."""

    @property
    def most_tokens(self) -> int | None:
        """The most tokens that the answer may have, if the request says it."""
        for said in (self.max_completion_tokens, self.max_output_tokens, self.max_tokens):
            if type(said) is int:
                return max(0, said)
        return None

    @property
    def end_user(self) -> str:
        """The application's own user; empty where the request does not say it."""
        said = self.user or self.safety_identifier
        if said is None and isinstance(self.metadata, dict):
            said = self.metadata.get("user_id")
        if not isinstance(said, str):
            return ""
        # No text of PostgreSQL holds a zero.
        return said[:MAX_END_USER].replace("\0", "\ufffd")


class Keeping(Head):
    """Of a request of the responses API: also what it says of what is kept."""

    store: bool | None = None
    previous_response_id: str | None = None
    background: bool | None = None
    conversation: object = None

    @property
    def asks(self) -> bool:
        """Whether anything is to be kept, or was."""
        return self.store is not False or bool(self.previous_response_id or self.background or self.conversation)


_decode_head = msgspec.json.Decoder(Head).decode
_decode_keeping = msgspec.json.Decoder(Keeping).decode
_RESPONSES = Dialect.OPENAI_RESPONSES
"""Compared in every call; a member of an enumeration costs more than a name."""


class Tried(msgspec.Struct, frozen=True, gc=False):
    """An attempt at a call whose first attempt was not its last."""

    target: str
    """`provider/model`."""
    way: str
    """`first`, `hedge`, `retry`, `fallback`, `cascade`, or how an answer was brought to its end or stood in for."""
    duration_us: int
    failure: str | None
    """Class of the failure; None if the attempt succeeded."""
    input_tokens: int = 0
    """Tokens of the prompt, estimated, of an attempt that was let go beside another."""
    begun_at: float = 0.0
    """When it began, in seconds of the monotonic clock."""
    usage: Usage | None = None
    """What it consumed, where that is not what the whole call did."""

    @classmethod
    def of(cls, target: Target, way: str, begun: float, error: NarthexError | None) -> Tried:
        """Return the attempt that began then, in seconds of the monotonic clock, and ends now."""
        failure = None if error is None else word_of(error)
        return cls(target.name, way, int((monotonic() - begun) * 1_000_000), failure, 0, begun)


def word_of(error: NarthexError) -> str:
    """Return the class of a provider's failure, or the code of an error of ours."""
    return str(getattr(error, "failure", error.code))


def answering(attempts: Sequence[Tried]) -> int | None:
    """Return the place of the attempt that brought the answer; None if none did.

    It need not be the last: one that was made beside it, and let go, may stand behind it.
    """
    return next((place for place in reversed(range(len(attempts))) if attempts[place].failure is None), None)


class Watch(Protocol):
    """Waits to hear how a streamed answer ends."""

    def broke(self, error: NarthexError) -> None:
        """Take note that the target broke off."""
        ...

    def settled(self, error: NarthexError | None) -> None:
        """Take note that the call has ended; with `error` without a whole answer."""
        ...


class Exchange:
    """One call on its way through the house."""

    caller: Caller | None = None
    """On whose behalf, once identified."""
    model_asked: str = ""
    """The model in the caller's words; empty if none was named."""
    streaming: bool = False
    """Whether the answer is wanted as it comes."""
    usage_wanted: bool = False
    """Whether a streamed answer shall carry its usage."""
    priority: int = Priority.NORMAL
    """How urgent it is: one of `Priority`."""
    total_s: float | None = None
    """Time for the whole call, in seconds; None is the configured limit."""
    limits: PartialTimeouts | None = None
    """What else the caller, or the virtual model asked for, says of how long the steps of the call may take."""
    pace: Pace | None = None
    """How fast a streamed answer is delivered, where it is not to come as it comes."""
    head: Head | None = None
    """What the body said of itself, if there is one."""
    bill: Bill | None = None
    """Who pays for it, once it may go out."""
    plan: Plan | None = None
    """Who may serve it, where there was something to decide: a virtual model or a rule."""
    target: Target | None = None
    """Which model serves it, once routed."""
    dropped: tuple[str, ...] = ()
    """Tuning that the target could not carry."""
    answer: Stream | None = None
    """The answer, from its first frame on."""
    first_frame_at: float = 0.0
    """When that came, in seconds of the monotonic clock."""
    usage: Usage | None = None
    """What it consumed, as soon as known."""
    model_answered: str | None = None
    """The model in the provider's words."""
    error: NarthexError | None = None
    """Why there is no whole answer."""
    deadline: float | None = None
    """When all attempts must be over, in seconds of the monotonic clock, once the first has begun."""
    watch: Watch | None = None
    """Keeps the books of the target while its answer streams."""
    told: tuple[tuple[str, str], ...] = ()
    """Further headers of the answer, name and value: how it came about, where that was not in the ordinary way."""
    instead_of: NarthexError | None = None
    """The error that a registered answer was given in place of."""
    attempts: tuple[Tried, ...] = ()
    """What was tried, in order; empty if the first attempt succeeded."""
    shadow_of: str | None = None
    """The ID of the call that this is a copy of; None for callers' own calls."""
    carried: Future[None] | None = None
    """Done when there is an answer, or none, to a call that goes on if its caller leaves."""
    digest: bytes = b""
    """Tells the request from others, if its answer is kept under an ID; empty for one that nobody can ask for again."""
    simulated: bool = False
    """Whether the answer is streamed although its provider gave it whole."""
    keeping: Keeping | None = None
    """What the request says of what is kept; None if it has nothing to do with that."""
    merger: Merger | None = None
    """What it asks of several models, if it is for several: what these consume is on their own calls' bills."""
    merged_into: str | None = None
    """The ID of the call for several models that this one is a part of."""
    judges: bool = False
    """Whether it is the part that chooses among the answers of the others."""
    is_batch_line: bool = False
    """Whether it is a line of a batch, which is charged as such."""
    sent: bool = False
    """Whether something went out to a provider."""
    source: Stream | None = None
    """What others are given too, where the answer is written from that: it may end before the answer does."""
    replays: Kept | None = None
    """The answer to another call that is given here again."""
    hit: Hit | None = None
    """How it was answered without a call of its own."""
    resumed: bool = False
    """Whether the answer is a kept one that is read on, and not a call of its own."""
    after: int = 0
    """Events of it that the caller has already."""
    prefetches: bytes = b""
    """The key of the cache under which its answer is wanted, if nobody has asked for it yet."""
    foreseen: bool = False
    """Whether its answer was made before it was asked."""
    prefix: bytes | None = None
    """Tells how it begins from how others do, once somebody has asked; empty if nothing is to be made of it."""
    kept_prefix: bytes = b""
    """Tells the tools and instructions that its provider was told to keep from others; empty where there are none."""
    _request: ChatRequest | EmbeddingRequest | None = None

    def __init__(
        self,
        dialect: Dialect,
        body: bytes,
        headers: Mapping[bytes, bytes],
        operation: Operation = Operation.CHAT,
        *,
        request: ChatRequest | EmbeddingRequest | None = None,
        caller: Caller | None = None,
        peer: tuple[str, int] | None = None,
    ) -> None:
        """Begin a call.

        Args:
            dialect: Spoken by the caller; the answer is written in it.
            body: The request as received.
            headers: As received, names in lower case; the last of several with one name.
            operation: What is asked.
            request: The same in the inner vocabulary, where there is no body.
            caller: On whose behalf, if that is known already.
            peer: Address and port that it comes from, where somebody asks for that.
        """
        self.id = _PREFIX + "%08x" % next(_serial)  # noqa: UP031 - costs half of what an f-string does
        """The request ID, in logs, headers and error bodies."""
        self.operation = operation
        self.dialect = dialect
        self.body = body
        self.headers = headers
        self.peer = peer
        self.received_at = monotonic()
        """When, in seconds of the monotonic clock."""
        if caller is not None:
            self.caller = caller
        if request is not None:
            self._take(request)

    def _take(self, request: ChatRequest | EmbeddingRequest) -> None:
        self._request = request
        self.model_asked = request.model
        if isinstance(request, ChatRequest):
            self.streaming = request.stream
            self.usage_wanted = request.include_usage

    def copied(self) -> Exchange:
        """Return the same call once more, of which nobody hears: what came of this one is not on it."""
        copy = Exchange(self.dialect, self.body, self.headers, self.operation, caller=self.caller)
        copy.model_asked, copy.streaming, copy.usage_wanted = self.model_asked, self.streaming, self.usage_wanted
        copy._request = self._request
        copy.shadow_of = self.id
        return copy

    def fork(self) -> Exchange:
        """Return the same call for an attempt beside another: what that sets is not seen here until it is adopted."""
        fork = object.__new__(type(self))
        fork.__dict__.update(self.__dict__)
        fork.answer = fork.watch = fork.usage = None
        return fork

    def adopt(self, fork: Exchange) -> None:
        """Take over what was set on a fork, and share everything with it from now on.

        Who writes an answer keeps the exchange that it was begun with, and writes to its end: what it finds out then,
        such as the usage, is found here too.
        """
        self.__dict__.update(fork.__dict__)
        fork.__dict__ = self.__dict__

    @property
    def given_request(self) -> ChatRequest | EmbeddingRequest | None:
        """The request in the inner vocabulary, as far as it was parsed already."""
        return self._request

    @property
    def may_cache(self) -> bool:
        """Whether its workspace lets its answer come from a cache, and be put there."""
        caller = self.caller
        return caller is None or caller.bounds is None or caller.bounds.caching

    @property
    def left_s(self) -> float | None:
        """How much of the time that the caller allowed is left, in seconds; None if it did not say."""
        if self.total_s is None:
            return None
        return max(0.0, self.received_at + self.total_s - monotonic())

    @property
    def capture(self) -> Capture:
        """What its workspace keeps of calls."""
        caller = self.caller
        return "metadata" if caller is None or caller.bounds is None else caller.bounds.capture

    @property
    def consumed(self) -> Usage | None:
        """What the answer consumed, whoever it was made for."""
        return self.usage if self.replays is None else self.replays.usage

    @property
    def story(self) -> str:
        """What was tried, in order, in one line: `a/m first overloaded, b/n fallback ok`; empty if all went well."""
        return ", ".join(f"{one.target} {one.way} {one.failure or 'ok'}" for one in self.attempts)

    def note_attempt(self, tried: Tried) -> None:
        """Add an attempt to those that were made."""
        self.attempts = (*self.attempts, tried)

    def note_break(self, error: NarthexError, usage: Usage | None = None) -> None:
        """Take note that the answer broke off: the attempt that had brought it failed after all.

        Args:
            error: Why.
            usage: What that attempt had consumed by then.
        """
        assert self.target is not None
        attempts = self.attempts
        place = answering(attempts)
        if place is None:
            tried = Tried.of(self.target, "first", self.received_at, error)
            self.note_attempt(msgspec.structs.replace(tried, usage=usage))
            return
        good = attempts[place]
        begun = self.first_frame_at - good.duration_us / 1_000_000
        tried = msgspec.structs.replace(Tried.of(self.target, good.way, begun, error), usage=usage)
        self.attempts = (*attempts[:place], tried, *attempts[place + 1 :])

    def read_head(self) -> None:
        """Read from the body what must be known to send it on.

        Raises:
            InvalidRequest: The body is not a JSON object, or these fields have the wrong type.
        """
        if self._request is not None:
            return
        try:
            head = _decode_head(self.body) if self.dialect is not _RESPONSES else self._read_keeping()
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at `$.")
            raise InvalidRequest(f"the body is not valid: {message}", param=path.rstrip("`") or None) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"the body is not JSON: {error}") from error
        except RecursionError as error:
            raise InvalidRequest("the body is nested too deeply") from error
        self.model_asked = head.model or ""
        self.head = head
        if head.stream and self.operation is Operation.CHAT:
            self.streaming = True
            options = head.stream_options
            self.usage_wanted = options is not None and bool(options.include_usage)

    def _read_keeping(self) -> Head:
        head = _decode_keeping(self.body)
        if head.asks:
            self.keeping = head
        return head

    def replace_body(self, body: bytes) -> None:
        """Go on with another body; what was read of the one before says nothing about it."""
        self.body = body
        self._request = self.prefix = None

    def chat_request(self) -> ChatRequest:
        """Return the request in the inner vocabulary, parsed at the first call.

        Raises:
            InvalidRequest: The body is not of its dialect.
        """
        if self._request is None:
            if self.dialect is Dialect.ANTHROPIC_COUNT_TOKENS:
                self._request = decode_count_request(self.body)
            else:
                self._request = CHAT_WIRES[self.dialect].decode_request(self.body)
        assert isinstance(self._request, ChatRequest)
        return self._request

    def embedding_request(self) -> EmbeddingRequest:
        """Return the request for vectors in the inner vocabulary, parsed at the first call.

        Raises:
            InvalidRequest: The body is not of its dialect.
        """
        if self._request is None:
            self._request = OPENAI_EMBEDDINGS.decode_request(self.body)
        assert isinstance(self._request, EmbeddingRequest)
        return self._request
