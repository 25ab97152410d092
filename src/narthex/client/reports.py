"""How streams stand on a gateway, as values, and how they are asked about and controlled."""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import quote, urlencode

import msgspec

from narthex.client.calls import broken
from narthex.client.http1 import Head, HttpRequest
from narthex.types.usage import Usage

StreamStatus = Literal["waiting", "running", "paused", "done", "cancelled", "failed"]
OnDisconnect = Literal["cancel", "detach"]
"""What becomes of a call when nobody reads its answer any more."""

ENDED: Final = frozenset({"done", "cancelled", "failed"})


class StreamGaps(msgspec.Struct, frozen=True, kw_only=True):
    """Pauses between two events, in milliseconds."""

    mean: float = 0.0
    p50: int = 0
    p95: int = 0
    longest: int = 0
    stalls: int = 0
    """Gaps of a second and more."""


class StreamProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an answer is."""

    bytes: int = 0
    events: int = 0
    output_tokens: int = 0
    limit_tokens: int | None = None
    """The most that the request allows."""
    percent: float | None = None
    """Of that limit."""
    elapsed_ms: int = 0
    first_token_ms: int | None = None
    bytes_per_s: float = 0.0
    """Over the last seconds in which there were events."""
    events_per_s: float = 0.0
    gaps_ms: StreamGaps | None = None


class StreamFault(msgspec.Struct, frozen=True, kw_only=True):
    """Why an answer is not whole."""

    code: str
    message: str


class StreamReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a stream stands."""

    id: str
    status: StreamStatus
    kept: bool = True
    """Whether its events can be read again."""
    model: str = ""
    """As asked for."""
    target: str | None = None
    """`provider/model` that answers."""
    dialect: str = ""
    created_at: int = 0
    """Unix time in seconds."""
    first_seq: int = 0
    """Number of the oldest event that is held."""
    last_seq: int = 0
    readers: int = 0
    on_disconnect: OnDisconnect = "cancel"
    node: str | None = None
    """The process that writes it, where several share what they keep."""
    key_id: str = ""
    """The key that asked for it, or the user."""
    replay_of: str | None = None
    """ID of the recording that is played."""
    attempts: str = ""
    progress: StreamProgress = StreamProgress()
    usage: Usage | None = None
    error: StreamFault | None = None

    @property
    def ended(self) -> bool:
        """Whether it has, one way or another."""
        return self.status in ENDED


class _StreamList(msgspec.Struct):
    data: tuple[StreamReport, ...]


_decode_report = msgspec.json.Decoder(StreamReport).decode
_decode_list = msgspec.json.Decoder(_StreamList).decode


def _path(name: str) -> str:
    """Return where a stream is: no name leads elsewhere."""
    return f"/v1/streams/{quote(name, safe='')}"


def report_request(name: str) -> HttpRequest:
    """Ask how a stream stands."""
    return HttpRequest(method="GET", path=_path(name))


def follow_request(name: str, after: int) -> HttpRequest:
    """Ask for the events of a stream behind one."""
    return HttpRequest(method="GET", path=f"{_path(name)}?after={after}", headers={"accept": "text/event-stream"})


def control_request(name: str, verb: Literal["pause", "resume", "cancel"]) -> HttpRequest:
    """Ask for a stream to be paused, resumed or cancelled."""
    return HttpRequest(method="POST", path=f"{_path(name)}/{verb}", body=b"{}")


def delete_request(name: str) -> HttpRequest:
    """Ask for a stream to be forgotten."""
    return HttpRequest(method="DELETE", path=_path(name))


def list_request(status: StreamStatus | None, limit: int | None) -> HttpRequest:
    """Ask how one's own streams stand."""
    query = urlencode({name: said for name, said in (("status", status), ("limit", limit)) if said is not None})
    return HttpRequest(method="GET", path=f"/v1/streams?{query}" if query else "/v1/streams")


def read_report(head: Head, body: bytes) -> StreamReport:
    """Return how a stream stands."""
    try:
        return _decode_report(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise broken("the report of the stream", error, head) from error


def read_reports(head: Head, body: bytes) -> tuple[StreamReport, ...]:
    """Return how several streams stand."""
    try:
        return _decode_list(body).data
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise broken("the list of streams", error, head) from error
