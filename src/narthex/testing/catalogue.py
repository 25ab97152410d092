"""The catalogue of faults that every gateway is held against: each scenario as it is played, and how it may end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from narthex.testing.scenarios import (
    BadFraming,
    BreakToolCall,
    ConnectTimeout,
    ContentFilter,
    ContextOverflow,
    Corrupt,
    CutEvent,
    Delay,
    Disconnect,
    DnsError,
    Drip,
    DuplicateChunk,
    Empty,
    Fail,
    Flap,
    HalfClose,
    HeadersOnly,
    HugeChunk,
    Limits,
    MalformedEvent,
    NoDone,
    Outage,
    Pings,
    RateLimit,
    Redirect,
    Reset,
    Scenario,
    SlowFirstToken,
    SlowHeaders,
    SplitUtf8,
    StaleConnection,
    Stall,
    StreamError,
    TlsError,
    Trickle,
    Truncate,
    Unstreamed,
    WrongContentType,
    WrongLength,
    WrongUsage,
)

HEALTHY: Final = "healthy"
"""A model that answers well, as all do whose name asks for no fault."""

PREFIX: Final = "fault-"
"""What models begin with that misbehave."""

Form = Literal["whole", "streamed"]
"""How an answer is asked for."""

Door = Literal["outage", "connect_timeout", "reset", "tls_error", "dns_error"]
"""An address that fails before any request, named as the scenario that it plays."""

DOORS: Final[tuple[Door, ...]] = ("outage", "connect_timeout", "reset", "tls_error", "dns_error")

Verdict = Literal["rescued", "partial", "safe", "failed"]
"""How a call ended for its caller, from the best to the worst.

rescued     a whole, right answer
partial     a part of it, then an explicit error
safe        a clear error, or exactly what the provider said, marked as what it is: nothing lies
failed      no end within the deadline, a part told as a whole, a wrong answer, or none at all
"""

FOREVER_S: Final = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A fault of the catalogue."""

    name: str
    scenario: Scenario
    door: Door | None = None
    """The address that plays it, where none that takes requests can."""
    forms: tuple[Form, ...] = ("whole", "streamed")
    """Where it can be seen."""
    calls_a_tool: bool = False
    """Whether the request offers a tool, so that the answer is a call."""
    warm_up: int = 0
    """Calls made first, on the same model, which are not judged."""
    has_memory: bool = False
    """Whether what happens depends on the calls before."""
    best: Verdict = "rescued"
    """The best that a gateway can do."""

    @property
    def model(self) -> str:
        """The model that plays it."""
        return f"{PREFIX}{self.name.replace('_', '-')}"

    @property
    def about(self) -> str:
        """What it does, in a sentence, and how it is told to."""
        told = self.scenario.model_dump(exclude_unset=True, exclude={"fault", "message"})
        fields = ", ".join(f"{name} {value}" for name, value in told.items())
        does = (type(self.scenario).__doc__ or "").partition("\n")[0]
        return f"{does.removesuffix('.')}: {fields}." if fields else does


def catalogue(unit_s: float = 1.0) -> tuple[Entry, ...]:
    """Return every fault.

    Args:
        unit_s: What waits are measured in, in seconds; a gateway is expected to wait two to three units for the next
            thing to happen, and ten units for a whole call.
    """
    return (
        *_refusals(),
        *_connections(),
        *_times(unit_s),
        *_silences(unit_s),
        *_breaks(),
        *_nonsense(),
        *_contents(),
        *_memories(unit_s),
    )


def _refusals() -> Iterator[Entry]:
    """Yield what a provider refuses with a status."""
    for status in (401, 403, 404, 429, 500, 502, 503, 504, 529):
        yield Entry(name=f"fail_{status}", scenario=Fail(status=status))
    # The caller's own mistake: the truth is the best answer.
    yield Entry(name="fail_400", scenario=Fail(status=400), best="safe")
    yield Entry(name="rate_limit", scenario=RateLimit(retry_after_s=30.0))
    yield Entry(
        name="quota",
        scenario=Fail(status=429, code="insufficient_quota", message="You exceeded your current quota."),
    )
    yield Entry(name="context_overflow", scenario=ContextOverflow())
    yield Entry(name="redirect", scenario=Redirect())


def _connections() -> Iterator[Entry]:
    """Yield what goes wrong before a request is sent."""
    yield Entry(name="outage", scenario=Outage(), door="outage")
    yield Entry(name="connect_timeout", scenario=ConnectTimeout(), door="connect_timeout")
    yield Entry(name="reset", scenario=Reset(), door="reset")
    yield Entry(name="tls_error", scenario=TlsError(), door="tls_error")
    yield Entry(name="dns_error", scenario=DnsError(), door="dns_error")
    yield Entry(name="stale_connection", scenario=StaleConnection())


def _times(unit_s: float) -> Iterator[Entry]:
    """Yield what takes too long, or nearly."""
    yield Entry(name="delay", scenario=Delay(seconds=unit_s))
    yield Entry(name="no_answer", scenario=Delay(seconds=FOREVER_S))
    yield Entry(name="slow_headers", scenario=SlowHeaders(seconds=unit_s))
    yield Entry(name="slow_first_token", scenario=SlowFirstToken(seconds=unit_s))
    yield Entry(name="stall_first", scenario=Stall(after_chunks=0))
    yield Entry(name="stall", scenario=Stall())
    yield Entry(name="pause", scenario=Stall(seconds=unit_s))
    yield Entry(name="drip", scenario=Drip(tokens_per_second=30.0 / unit_s))
    # Never silent and never done: the time for the whole call ends it, and then there is none left to begin again.
    yield Entry(name="endless_drip", scenario=Drip(tokens_per_second=1.0 / unit_s), best="partial")


def _silences(unit_s: float) -> Iterator[Entry]:
    """Yield what never ends, though something is still sent: no pause between two bytes is long enough to be one."""
    each_s = unit_s / 2
    yield Entry(name="headers_only", scenario=HeadersOnly())
    yield Entry(name="endless_headers", scenario=SlowHeaders(seconds=12 * unit_s))
    yield Entry(name="pings", scenario=Pings(seconds=each_s))
    yield Entry(name="pings_midway", scenario=Pings(seconds=each_s, after_chunks=3), forms=("streamed",))
    yield Entry(name="empty_pieces", scenario=Pings(seconds=each_s, how="empty_piece"), forms=("streamed",))
    yield Entry(name="trickle", scenario=Trickle(seconds=each_s))
    yield Entry(name="trickle_midway", scenario=Trickle(seconds=each_s, after_chunks=3), forms=("streamed",))


def _breaks() -> Iterator[Entry]:
    """Yield answers that end too early."""
    yield Entry(name="disconnect", scenario=Disconnect())
    yield Entry(name="disconnect_first", scenario=Disconnect(after_chunks=0))
    yield Entry(name="half_close", scenario=HalfClose())
    yield Entry(name="truncate", scenario=Truncate())
    yield Entry(name="cut_event", scenario=CutEvent())
    yield Entry(name="wrong_length", scenario=WrongLength())
    yield Entry(name="empty", scenario=Empty())
    yield Entry(name="no_done", scenario=NoDone(), forms=("streamed",))
    yield Entry(name="no_done_held", scenario=NoDone(seconds=None), forms=("streamed",))
    yield Entry(name="stream_error", scenario=StreamError())
    yield Entry(name="stream_error_first", scenario=StreamError(after_chunks=0), forms=("streamed",))


def _nonsense() -> Iterator[Entry]:
    """Yield answers that are none, or in an unusual form."""
    yield Entry(name="corrupt", scenario=Corrupt())
    yield Entry(name="malformed_event", scenario=MalformedEvent(), forms=("streamed",))
    yield Entry(name="bad_framing", scenario=BadFraming())
    yield Entry(name="wrong_content_type", scenario=WrongContentType())
    yield Entry(name="unstreamed", scenario=Unstreamed(), forms=("streamed",))
    yield Entry(name="split_utf8", scenario=SplitUtf8())


def _contents() -> Iterator[Entry]:
    """Yield answers whose content is odd; a gateway that cannot know passes on what the provider said."""
    yield Entry(name="huge_chunk", scenario=HugeChunk())
    yield Entry(name="duplicate_chunk", scenario=DuplicateChunk(), best="safe")
    yield Entry(name="wrong_usage", scenario=WrongUsage())
    yield Entry(name="content_filter", scenario=ContentFilter(), best="partial")
    broken = BreakToolCall(how="malformed_arguments")
    yield Entry(name="break_tool_call", scenario=broken, calls_a_tool=True, best="safe")
    unknown = BreakToolCall(how="unknown_tool")
    yield Entry(name="unknown_tool", scenario=unknown, calls_a_tool=True, best="safe")
    # A call that began to be delivered is never made twice: the best is to say that it is cut.
    yield Entry(
        name="cut_tool_call",
        scenario=Disconnect(after_chunks=3),
        forms=("streamed",),
        calls_a_tool=True,
        best="partial",
    )
    ended = Truncate(after_chunks=3)
    yield Entry(name="truncated_tool_call", scenario=ended, forms=("streamed",), calls_a_tool=True, best="partial")


def _memories(unit_s: float) -> Iterator[Entry]:
    """Yield what depends on the calls before."""
    yield Entry(name="fail_once", scenario=Fail(status=503, times=1), has_memory=True)
    yield Entry(name="disconnect_once", scenario=Disconnect(after_chunks=0, times=1), has_memory=True)
    yield Entry(name="limits", scenario=Limits(requests_per_minute=1), warm_up=1, has_memory=True)
    yield Entry(name="flap", scenario=Flap(period_s=max(unit_s, 0.01), starts="down"), has_memory=True)
