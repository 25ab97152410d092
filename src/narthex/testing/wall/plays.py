"""What is done about a request, act by act, when a scenario is due.

What a scenario means for a whole body: the body comes in a few pieces, and what happens to a stream behind so many
events happens to the body behind so many of its pieces, at the latest before the last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import cast

from narthex.testing.acts import (
    Act,
    Answer,
    Close,
    EndSending,
    Reset,
    Send,
    Stall,
    Wait,
    chunk,
    delayed,
    head,
    slow_headers,
    split,
    whole,
)
from narthex.testing.chance import random_for
from narthex.testing.scenarios import (
    BadFraming,
    ContextOverflow,
    Corrupt,
    CutEvent,
    Delay,
    Disconnect,
    Drip,
    Empty,
    Fail,
    Flap,
    HalfClose,
    HeadersOnly,
    MalformedEvent,
    NoDone,
    Outage,
    Pings,
    RateLimit,
    Redirect,
    Scenario,
    SlowFirstToken,
    SlowHeaders,
    SplitUtf8,
    StreamError,
    Trickle,
    Truncate,
    Unstreamed,
    WrongContentType,
    WrongLength,
)
from narthex.testing.scenarios import ConnectTimeout as ConnectTimeoutScenario
from narthex.testing.scenarios import Reset as ResetScenario
from narthex.testing.scenarios import Stall as StallScenario
from narthex.testing.scenarios import TlsError as TlsErrorScenario
from narthex.testing.wall.asking import Asked
from narthex.testing.wall.layouts import Layout, lay_out, whole_layout
from narthex.testing.wall.refusals import Refusal, body_of, overflown, refused
from narthex.testing.wall.replies import Said, altered
from narthex.testing.wall.silences import headers_only, pings, trickle
from narthex.testing.wires import anthropic_frame

_NONSENSE = b'{"id": "chatcmpl-\xff\xfe", <<<<'
_PAGE = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast the wall writes."""

    first_token_s: float = 0.0
    tokens_per_second: float | None = None
    jitter: float = 0.0
    """Share by which each wait varies, from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """An answer on its way to be played."""

    asked: Asked
    said: Said
    layout: Layout

    def broken(self, after: int, *fate: Act) -> Answer:
        """Do so many pieces of it, then what breaks it."""
        return (*self.layout.begun(after), *fate)


def play(asked: Asked, said: Said, scenario: Scenario | None) -> Answer:
    """Return what is done about a request: answered well, or as the scenario has it."""
    spoiled = altered(said, scenario, is_streamed=asked.is_streamed)
    layout = lay_out(asked, spoiled)
    if scenario is None:
        return layout.acts
    player = _PLAYERS.get(type(scenario))
    if player is None:
        return layout.acts
    return player(Play(asked=asked, said=spoiled, layout=layout), scenario)


def paced(answer: Answer, pace: Pace, chance: Random) -> Answer:
    """Spread an answer over the time that writing it takes: a token for each piece behind the head."""
    if not pace.first_token_s and not pace.tokens_per_second:
        return answer
    each_s = 1.0 / pace.tokens_per_second if pace.tokens_per_second else 0.0
    acts: list[Act] = []
    sends = 0
    for act in answer:
        if isinstance(act, Send):
            wait_s = (0.0, pace.first_token_s)[sends] if sends < 2 else each_s
            sends += 1
            acts += [Wait(wait_s * (1.0 + pace.jitter * chance.uniform(-1.0, 1.0)))] if wait_s else []
        acts.append(act)
    return tuple(acts)


def limited(asked: Asked, retry_after_s: float) -> Answer:
    """Answer that the limit is reached."""
    told = Refusal(status=429, message="Rate limit reached. Please try again later.", retry_after_s=retry_after_s)
    return refused(told, asked.wire)


def _fail(play: Play, scenario: Fail) -> Answer:
    message = scenario.message or f"The wall answers {scenario.status}."
    return refused(Refusal(status=scenario.status, message=message, code=scenario.code), play.asked.wire)


def _rate_limit(play: Play, scenario: RateLimit) -> Answer:
    return limited(play.asked, scenario.retry_after_s)


def _context_overflow(play: Play, _: ContextOverflow) -> Answer:
    return refused(overflown(play.asked.wire), play.asked.wire)


def _redirect(_: Play, scenario: Redirect) -> Answer:
    return (Send(head(307, {"location": scenario.location, "content-length": "0"})),)


def _unreachable(_: Play, __: Scenario) -> Answer:
    # An address that takes requests cannot refuse connections; see `doors` for those that do.
    return (Reset(),)


def _connect_timeout(_: Play, __: ConnectTimeoutScenario) -> Answer:
    return (Stall(),)


def _tls_error(_: Play, __: TlsErrorScenario) -> Answer:
    return (Close(),)


def _delay(play: Play, scenario: Delay) -> Answer:
    return delayed(play.layout.acts, scenario.seconds)


def _slow_headers(play: Play, scenario: SlowHeaders) -> Answer:
    return slow_headers(play.layout.acts, seconds=scenario.seconds)


def _headers_only(play: Play, _: HeadersOnly) -> Answer:
    return headers_only(play.layout)


def _pings(play: Play, scenario: Pings) -> Answer:
    return pings(play.layout, play.asked, scenario)


def _trickle(play: Play, scenario: Trickle) -> Answer:
    return trickle(play.layout, scenario)


def _slow_first_token(play: Play, scenario: SlowFirstToken) -> Answer:
    return play.broken(0, Wait(scenario.seconds), *play.layout.rest(0))


def _drip(play: Play, scenario: Drip) -> Answer:
    layout = play.layout
    if not layout.is_streamed:
        # A whole body takes as long as its tokens do.
        size = max(1, -(-sum(map(len, layout.pieces)) // max(1, play.said.output_tokens)))
        layout = _cut_anew(layout, size)
    each = 1.0 / scenario.tokens_per_second
    chance = random_for("drip", play.asked.prompt)
    dripped: list[Act] = []
    for acts in layout.content:
        dripped += [Wait(each * (1.0 + scenario.jitter * chance.uniform(-1.0, 1.0))), *acts]
    return (*layout.head, *dripped, *layout.end, *layout.closing)


def _cut_anew(layout: Layout, size: int) -> Layout:
    body = b"".join(layout.pieces)
    return replace(layout, pieces=tuple(body[start : start + size] for start in range(0, len(body), size)))


def _split_utf8(play: Play, scenario: SplitUtf8) -> Answer:
    layout = play.layout
    if not layout.is_streamed:
        return split(layout.acts, bytes_each=scenario.bytes_each)
    body = b"".join([*layout.pieces, *layout.finish, layout.mark])
    size = scenario.bytes_each
    pieces: list[Act] = []
    for start in range(0, len(body), size):
        # The pause lets each piece leave by itself.
        pieces += [Send(chunk(body[start : start + size])), Wait(0)]
    return (*layout.head, *pieces, *layout.last)


def _stall(play: Play, scenario: StallScenario) -> Answer:
    if scenario.seconds is None:
        return play.broken(scenario.after_chunks, Stall())
    return play.broken(scenario.after_chunks, Wait(scenario.seconds), *play.layout.rest(scenario.after_chunks))


def _disconnect(play: Play, scenario: Disconnect) -> Answer:
    return play.broken(scenario.after_chunks, Wait(0.02), Reset())


def _half_close(play: Play, scenario: HalfClose) -> Answer:
    return play.broken(scenario.after_chunks, EndSending(), Stall())


def _truncate(play: Play, scenario: Truncate) -> Answer:
    # A whole answer has lost its end and its finish reason already, and stands here as it is.
    return play.broken(scenario.after_chunks, *play.layout.last) if play.layout.is_streamed else play.layout.acts


def _corrupt(play: Play, scenario: Corrupt) -> Answer:
    if play.layout.is_streamed:
        return play.broken(scenario.after_chunks, Send(chunk(b"data: %b\n\n" % _NONSENSE)), *play.layout.last)
    body = b"".join(play.layout.pieces)
    kept = b"".join(play.layout.pieces[: play.layout.place(scenario.after_chunks)])
    return whole(kept + _NONSENSE * (len(body) // len(_NONSENSE)))


def _malformed_event(play: Play, scenario: MalformedEvent) -> Answer:
    if not play.layout.is_streamed:
        return play.layout.acts
    event = Send(chunk(b'data: {"id": "chatcmpl-1", <<<<\n\n'))
    return play.broken(scenario.after_chunks, event, *play.layout.rest(scenario.after_chunks))


def _cut_event(play: Play, scenario: CutEvent) -> Answer:
    place = min(play.layout.place(scenario.after_chunks), len(play.layout.pieces) - 1)
    piece = play.layout.pieces[place]
    return play.broken(place, Send(play.layout.framed(piece[: len(piece) // 2])), Close())


def _stream_error(play: Play, scenario: StreamError) -> Answer:
    body = body_of(Refusal(status=500, message=scenario.message, code=scenario.code), play.asked.wire)
    if not play.layout.is_streamed:
        return whole(body)
    frame = b"data: %b\n\n" % body
    if play.asked.wire == "anthropic":
        told = {"type": "overloaded_error", "message": scenario.message}
        frame = anthropic_frame("error", error=told)
    return play.broken(scenario.after_chunks, Send(chunk(frame)), *play.layout.last)


def _no_done(play: Play, scenario: NoDone) -> Answer:
    layout = play.layout
    if not layout.is_streamed:
        return layout.acts
    pause: Act = Stall() if scenario.seconds is None else Wait(scenario.seconds)
    return (*layout.begun(len(layout.pieces)), *layout.end, pause, *layout.last)


def _bad_framing(play: Play, scenario: BadFraming) -> Answer:
    layout = play.layout
    if not layout.is_streamed:
        begins = Send(head(200, {"content-type": "application/json", "transfer-encoding": "chunked"}))
        kept = b"".join(layout.pieces[: layout.place(scenario.after_chunks)])
        return (begins, Send(chunk(kept)), Send(b"narthex\r\n"), Close())
    return play.broken(scenario.after_chunks, Send(b"narthex\r\n"), Close())


def _wrong_length(play: Play, scenario: WrongLength) -> Answer:
    body = b"".join([*play.layout.pieces, *play.layout.finish, play.layout.mark])
    kind = "text/event-stream" if play.layout.is_streamed else "application/json"
    announced = len(body) + scenario.missing_bytes
    opening = b"".join(act.data for act in play.layout.head[1:] if isinstance(act, Send))
    if opening:
        # A stream whose length is told needs its frames without the chunks around them.
        body = _unchunked(opening) + body
        announced = len(body) + scenario.missing_bytes
    return (*whole_layout(body, content_type=kind, announced_bytes=announced).acts, Close())


def _unchunked(data: bytes) -> bytes:
    plain = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        plain, data = plain + rest[:length], rest[length + 2 :]
    return plain


def _empty(play: Play, _: Empty) -> Answer:
    return (play.layout.head[0], *play.layout.last) if play.layout.is_streamed else whole(b"")


def _wrong_content_type(_: Play, __: WrongContentType) -> Answer:
    return whole(_PAGE, content_type="text/html; charset=utf-8")


def _unstreamed(play: Play, _: Unstreamed) -> Answer:
    return lay_out(replace(play.asked, is_streamed=False), play.said).acts


_Player = Callable[[Play, Scenario], Answer]

_PLAYERS: Mapping[type, _Player] = cast(
    "Mapping[type, _Player]",
    {
        Fail: _fail,
        RateLimit: _rate_limit,
        ContextOverflow: _context_overflow,
        Redirect: _redirect,
        Outage: _unreachable,
        Flap: _unreachable,
        ResetScenario: _unreachable,
        ConnectTimeoutScenario: _connect_timeout,
        TlsErrorScenario: _tls_error,
        Delay: _delay,
        SlowHeaders: _slow_headers,
        HeadersOnly: _headers_only,
        Pings: _pings,
        Trickle: _trickle,
        SlowFirstToken: _slow_first_token,
        Drip: _drip,
        SplitUtf8: _split_utf8,
        StallScenario: _stall,
        Disconnect: _disconnect,
        HalfClose: _half_close,
        Truncate: _truncate,
        Corrupt: _corrupt,
        MalformedEvent: _malformed_event,
        CutEvent: _cut_event,
        StreamError: _stream_error,
        NoDone: _no_done,
        BadFraming: _bad_framing,
        WrongLength: _wrong_length,
        Empty: _empty,
        WrongContentType: _wrong_content_type,
        Unstreamed: _unstreamed,
    },
)
"""What each scenario does to an answer; one that is not here changes its content only, or needs the wall itself."""
