"""Ways to misbehave, by name: one vocabulary for every door that can play them.

A scenario is a frozen value: what goes wrong, and when. The scripted provider plays those that an answer can show;
those of `WIRE_ONLY` need a socket. In a configuration a scenario is a table with its name under `fault`:

    faults = [{ fault = "rate_limit", retry_after_s = 2, every = 5 }, { fault = "stall", probability = 0.1 }]

In a prompt it is a directive: `[[fail 503]]`, `[[stall after_chunks=2]]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

Seconds = Annotated[float, Field(ge=0, le=86_400)]
Chunks = Annotated[int, Field(ge=0, le=1_000_000)]


class Occasion(BaseModel):
    """When a scenario is played: on every call, unless `every` or `probability` says less; at most `times` times."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every: int | None = Field(default=None, ge=1, description="Only each N-th call, counted from the first.")
    probability: float | None = Field(
        default=None, ge=0, le=1, description="Only this share of the calls, drawn by the seed."
    )
    times: int | None = Field(default=None, ge=1, description="Only so often; afterwards never again.")

    @model_validator(mode="after")
    def _one_rhythm(self) -> Occasion:
        if self.every is not None and self.probability is not None:
            raise ValueError("give `every` or `probability`, not both")
        return self


class Fail(Occasion):
    """Answers with an error status."""

    fault: Literal["fail"] = "fail"
    status: int = Field(default=500, ge=400, le=599)
    message: str | None = None
    code: str | None = None


class RateLimit(Occasion):
    """Answers 429 and says when to come back."""

    fault: Literal["rate_limit"] = "rate_limit"
    retry_after_s: Seconds = 1.0


class Limits(Occasion):
    """Keeps real limits per minute, and answers 429 beyond them."""

    fault: Literal["limits"] = "limits"
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _a_limit(self) -> Limits:
        if self.requests_per_minute is None and self.tokens_per_minute is None:
            raise ValueError("give `requests_per_minute`, `tokens_per_minute` or both")
        return self


class Outage(Occasion):
    """Cannot be reached at all."""

    fault: Literal["outage"] = "outage"


class Flap(Occasion):
    """Cannot be reached during every other period."""

    fault: Literal["flap"] = "flap"
    period_s: float = Field(default=10.0, gt=0, le=86_400)
    starts: Literal["up", "down"] = "up"


class ContextOverflow(Occasion):
    """Says that the request is longer than the model's window."""

    fault: Literal["context_overflow"] = "context_overflow"


class Delay(Occasion):
    """Waits before anything is answered."""

    fault: Literal["delay"] = "delay"
    seconds: Seconds = 1.0


class SlowFirstToken(Occasion):
    """Answers at once, but waits before the first piece of content."""

    fault: Literal["slow_first_token"] = "slow_first_token"
    seconds: Seconds = 5.0


class Drip(Occasion):
    """Writes at this pace."""

    fault: Literal["drip"] = "drip"
    tokens_per_second: float = Field(default=5.0, gt=0, le=1_000_000)
    jitter: float = Field(default=0.0, ge=0, le=1)


class Stall(Occasion):
    """Falls silent in the middle, for some seconds or for good."""

    fault: Literal["stall"] = "stall"
    seconds: Seconds | None = None
    after_chunks: Chunks = 3


class Disconnect(Occasion):
    """Breaks the connection in the middle."""

    fault: Literal["disconnect"] = "disconnect"
    after_chunks: Chunks = 3


class Truncate(Occasion):
    """Ends cleanly in the middle, without finish reason or closing mark."""

    fault: Literal["truncate"] = "truncate"
    after_chunks: Chunks = 3


class Corrupt(Occasion):
    """Sends nonsense in the middle."""

    fault: Literal["corrupt"] = "corrupt"
    after_chunks: Chunks = 3


class StreamError(Occasion):
    """Reports an error inside a stream that began well."""

    fault: Literal["stream_error"] = "stream_error"
    after_chunks: Chunks = 3
    message: str = "The server had an error while processing your request."
    code: str | None = "server_error"


class DuplicateChunk(Occasion):
    """Sends one piece twice."""

    fault: Literal["duplicate_chunk"] = "duplicate_chunk"
    after_chunks: Chunks = 1


class HugeChunk(Occasion):
    """Sends one piece of this many characters."""

    fault: Literal["huge_chunk"] = "huge_chunk"
    characters: int = Field(default=1_000_000, ge=1, le=100_000_000)


class WrongUsage(Occasion):
    """Reports this many times the tokens that were used."""

    fault: Literal["wrong_usage"] = "wrong_usage"
    factor: float = Field(default=10.0, ge=0, le=1_000_000)


class ContentFilter(Occasion):
    """Stops in the middle and says that its filter was tripped."""

    fault: Literal["content_filter"] = "content_filter"
    after_chunks: Chunks = 3


class BreakToolCall(Occasion):
    """Spoils the tool call: its arguments are no JSON, or the tool was never offered."""

    fault: Literal["break_tool_call"] = "break_tool_call"
    how: Literal["malformed_arguments", "unknown_tool"] = "malformed_arguments"


class SlowHeaders(Occasion):
    """Sends its status and headers byte by byte over this time."""

    fault: Literal["slow_headers"] = "slow_headers"
    seconds: Seconds = 5.0


class HeadersOnly(Occasion):
    """Sends its status and headers, and then nothing."""

    fault: Literal["headers_only"] = "headers_only"


class Pings(Occasion):
    """Sends signs of life for ever in place of content: comments and pings, or pieces with nothing in them."""

    fault: Literal["pings"] = "pings"
    seconds: Annotated[float, Field(gt=0, le=3_600)] = 1.0
    after_chunks: Chunks = 0
    how: Literal["ping", "empty_piece"] = "ping"


class Trickle(Occasion):
    """Sends byte by byte, with a pause before each."""

    fault: Literal["trickle"] = "trickle"
    seconds: Annotated[float, Field(gt=0, le=3_600)] = 1.0
    after_chunks: Chunks = 0


class SplitUtf8(Occasion):
    """Cuts the stream into pieces inside characters and frames."""

    fault: Literal["split_utf8"] = "split_utf8"
    bytes_each: int = Field(default=1, ge=1, le=65_536)


class WrongContentType(Occasion):
    """Answers with a page where an answer was asked for."""

    fault: Literal["wrong_content_type"] = "wrong_content_type"


class HalfClose(Occasion):
    """Closes its sending side in the middle and keeps reading."""

    fault: Literal["half_close"] = "half_close"
    after_chunks: Chunks = 3


class Empty(Occasion):
    """Answers 200, and nothing else."""

    fault: Literal["empty"] = "empty"


class MalformedEvent(Occasion):
    """Sends one event that is no JSON, and goes on well."""

    fault: Literal["malformed_event"] = "malformed_event"
    after_chunks: Chunks = 3


class CutEvent(Occasion):
    """Closes the connection in the middle of an event."""

    fault: Literal["cut_event"] = "cut_event"
    after_chunks: Chunks = 3


class NoDone(Occasion):
    """Finishes without the closing mark, and holds the connection for some seconds, or for good."""

    fault: Literal["no_done"] = "no_done"
    seconds: Seconds | None = 0.0


class Unstreamed(Occasion):
    """Answers whole where a stream was asked for."""

    fault: Literal["unstreamed"] = "unstreamed"


class WrongLength(Occasion):
    """Announces a longer body than it sends."""

    fault: Literal["wrong_length"] = "wrong_length"
    missing_bytes: int = Field(default=64, ge=1, le=1_000_000)


class BadFraming(Occasion):
    """Breaks the framing of the body in the middle: a chunk whose size is no number."""

    fault: Literal["bad_framing"] = "bad_framing"
    after_chunks: Chunks = 3


class Redirect(Occasion):
    """Sends the caller elsewhere."""

    fault: Literal["redirect"] = "redirect"
    location: str = Field(default="http://127.0.0.1:9/v1", pattern=r"^[!-~]+$")


class StaleConnection(Occasion):
    """Closes a kept connection, unanswered, when the next request comes on it."""

    fault: Literal["stale_connection"] = "stale_connection"


class Reset(Occasion):
    """Resets each connection as soon as it is made."""

    fault: Literal["reset"] = "reset"


class ConnectTimeout(Occasion):
    """Lets callers wait for the connection."""

    fault: Literal["connect_timeout"] = "connect_timeout"


class TlsError(Occasion):
    """Breaks the TLS handshake."""

    fault: Literal["tls_error"] = "tls_error"


class DnsError(Occasion):
    """Has a name that does not resolve."""

    fault: Literal["dns_error"] = "dns_error"


Scenario = Annotated[
    Fail
    | RateLimit
    | Limits
    | Outage
    | Flap
    | ContextOverflow
    | Delay
    | SlowFirstToken
    | Drip
    | Stall
    | Disconnect
    | Truncate
    | Corrupt
    | StreamError
    | DuplicateChunk
    | HugeChunk
    | WrongUsage
    | ContentFilter
    | BreakToolCall
    | SlowHeaders
    | HeadersOnly
    | Pings
    | Trickle
    | SplitUtf8
    | WrongContentType
    | HalfClose
    | Empty
    | MalformedEvent
    | CutEvent
    | NoDone
    | Unstreamed
    | WrongLength
    | BadFraming
    | Redirect
    | StaleConnection
    | Reset
    | ConnectTimeout
    | TlsError
    | DnsError,
    Field(discriminator="fault"),
]
"""Everything that can go wrong, by the word under `fault`."""

_ADAPTER: TypeAdapter[Scenario] = TypeAdapter(Scenario)


def _classes() -> Iterator[type[Occasion]]:
    union, _ = get_args(Scenario)
    yield from get_args(union)


SCENARIOS: dict[str, type[Occasion]] = {kind.model_fields["fault"].default: kind for kind in _classes()}
"""Scenarios by name."""

WIRE_ONLY: frozenset[str] = frozenset(
    {
        "slow_headers",
        "headers_only",
        "pings",
        "trickle",
        "split_utf8",
        "wrong_content_type",
        "half_close",
        "empty",
        "malformed_event",
        "cut_event",
        "no_done",
        "unstreamed",
        "wrong_length",
        "bad_framing",
        "redirect",
        "stale_connection",
        "reset",
        "connect_timeout",
        "tls_error",
        "dns_error",
    }
)
"""Scenarios that only a socket can show."""

_WHEN = frozenset(Occasion.model_fields) | {"fault"}


class BadDirective(ValueError):
    """A directive that names a scenario, but not as it is played."""


_DIRECTIVE = re.compile(r"\[\[\s*([a-z_0-9]{1,64})((?:\s[^\[\]]{0,256})?)\]\]")


def find_directives(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the argument text of each `[[…]]` of a prompt, in order, whatever their names."""
    for match in _DIRECTIVE.finditer(text):
        yield match[1], match[2].strip()


def without_directives(text: str, names: frozenset[str]) -> str:
    """Return `text` without the directives of these names."""
    return _DIRECTIVE.sub(lambda match: "" if match[1] in names else match[0], text).strip()


def scenario_from_directive(name: str, arguments: str, *, with_occasion: bool = False) -> Scenario:
    """Build a scenario from a directive such as `fail 503` or `stall seconds=2 after_chunks=1`.

    Words without `=` fill the scenario's own fields in the order they are declared.

    Args:
        name: Of the scenario.
        arguments: The words behind it.
        with_occasion: Whether `every`, `probability` and `times` may be said too, by name.

    Raises:
        BadDirective: No such scenario, too many words, or a value that it does not take.
    """
    kind = SCENARIOS.get(name)
    if kind is None:
        raise BadDirective(f"no scenario {name!r}; there are {', '.join(sorted(SCENARIOS))}")
    own = [field for field in kind.model_fields if field not in _WHEN]
    more = sorted(Occasion.model_fields) if with_occasion else []
    try:
        return _ADAPTER.validate_python({"fault": name, **_values(name, arguments, own, more)})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"][1:]) or name
        raise BadDirective(f"[[{name}]] {where}: {first['msg']}") from error


def _values(name: str, arguments: str, own: list[str], more: list[str]) -> dict[str, str]:
    """Read the words of a directive: bare ones fill `own` in order, and by name `more` may be said too."""
    values: dict[str, str] = {}
    for word in arguments.split():
        free = [field for field in own if field not in values]
        key, equals, value = word.partition("=")
        if not equals:
            if not free:
                raise BadDirective(f"[[{name}]] takes no further {word!r}")
            key, value = free[0], word
        if key not in (*own, *more):
            raise BadDirective(f"[[{name}]] takes {', '.join([*own, *more]) or 'nothing'}, not {key!r}")
        values[key] = value
    return values
