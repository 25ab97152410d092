"""The upstream HTTP client: whole and streamed responses, limits of time and number, and every way a call can break."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from narthex.errors import ConfigError
from narthex.providers.contract import Timeouts
from narthex.providers.expiry import Phase
from narthex.providers.transport import pool as pool_module
from narthex.providers.transport.connection import (
    Connection,
    ConnectionFailed,
    PhaseTimeout,
    ResponseUnreadable,
    collect,
)
from narthex.providers.transport.dialling import dial
from narthex.providers.transport.origin import Origin
from narthex.providers.transport.pool import Pool
from narthex.testing.acts import (
    Answer,
    Close,
    EndSending,
    Send,
    Stall,
    chunk,
    cut,
    head,
    hung_up,
    silent,
    split,
    streamed,
    then,
    whole,
)
from narthex.testing.upstream import ScriptedUpstream

REQUEST = b"POST /v1/x HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
LIMITS = Timeouts(first_token_s=5.0, idle_s=5.0, total_s=10.0)


@asynccontextmanager
async def pool_to(upstream: ScriptedUpstream, *, limit: int = 8) -> AsyncIterator[Pool]:
    """Open a pool and close it."""
    pool = Pool(Origin.parse(upstream.url), limit=limit)
    try:
        yield pool
    finally:
        await pool.aclose()


async def ask(pool: Pool) -> tuple[int, bytes, Connection]:
    """Make one whole exchange."""
    connection = pool.kept() or await pool.open(2.0)
    response = await connection.send(REQUEST, LIMITS)
    return response.status, response.body, connection


async def test_keeps_a_connection_for_the_next_call() -> None:
    """A connection whose response came to a clean end carries the next call."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always(whole(b'{"a":1}'))
        for _ in range(3):
            status, body, _ = await ask(pool)
            assert (status, body) == (200, b'{"a":1}')
        assert upstream.opened == 1


async def test_headers_are_read_in_lower_case() -> None:
    """Header names are lower case, whatever the provider wrote."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always(whole(b"{}", status=429, headers={"Retry-After": "7"}))
        connection = pool.kept() or await pool.open(2.0)
        response = await connection.send(REQUEST, LIMITS)
        assert response.status == 429
        assert response.headers["retry-after"] == "7"


async def test_a_closed_kept_connection_is_not_used_again() -> None:
    """What the provider closed while it was kept is not handed out."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always(then(whole(b"{}"), Close()))
        await ask(pool)
        await upstream.all_closed()
        await asyncio.sleep(0.05)
        assert pool.kept() is None
        assert (await ask(pool))[0] == 200


@pytest.mark.parametrize("after", [1, 30, 80])
async def test_a_cut_response_is_a_failure(after: int) -> None:
    """A response cut anywhere is never a whole one."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always(cut(whole(b'{"a":"' + b"x" * 50 + b'"}'), after_bytes=after))
        with pytest.raises(ConnectionFailed) as caught:
            await ask(pool)
        assert not caught.value.untouched


async def test_hung_up_before_a_byte_is_told_apart() -> None:
    """A connection closed before any byte is marked untouched: the request may be sent again."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always(hung_up())
        with pytest.raises(ConnectionFailed) as caught:
            await ask(pool)
        assert caught.value.untouched


async def test_an_unframed_body_ends_with_the_connection() -> None:
    """A body with neither length nor chunks is whole when the provider closes."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always((Send(head(200, {"content-type": "application/json"}) + b'{"b":2}'), Close()))
        status, body, _ = await ask(pool)
        assert (status, body) == (200, b'{"b":2}')
        assert pool.kept() is None


async def test_interim_responses_are_passed_over() -> None:
    """`100 Continue` and `103 Early Hints` are not the answer."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
        upstream.always((Send(interim), *whole(b'{"c":3}')))
        connection = pool.kept() or await pool.open(2.0)
        response = await connection.send(REQUEST, LIMITS)
        assert (response.status, response.body) == (200, b'{"c":3}')
        assert "link" not in response.headers


async def test_bytes_after_the_end_close_the_connection() -> None:
    """What comes unasked for after a response is not taken for the next one."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always((*whole(b"{}"), *whole(b'{"foreign":"answer"}')))
        await ask(pool)
        await upstream.all_closed()
        assert pool.kept() is None


@pytest.mark.parametrize("nonsense", [b"\x00\x01\x02\x03\r\n\r\n", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 abc\r\n\r\n"])
async def test_nonsense_is_unreadable(nonsense: bytes) -> None:
    """What is not HTTP is a clear failure."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always((Send(nonsense), Stall()))
        with pytest.raises(ResponseUnreadable):
            await ask(pool)


async def test_an_endless_head_is_refused() -> None:
    """A response head over its limit is a failure, not memory."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always((Send(head(200, {f"x-{number}": "y" * 1000 for number in range(100)})), Stall()))
        with pytest.raises(ResponseUnreadable, match="head"):
            await ask(pool)


async def test_silence_fails_in_the_phase_of_the_answer() -> None:
    """A provider that takes the request and says nothing is left when the whole answer is due."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always(silent())
        connection = pool.kept() or await pool.open(2.0)
        answer = connection.send(REQUEST, Timeouts(first_token_s=0.2, idle_s=5, total_s=10))
        with pytest.raises(PhaseTimeout) as caught:
            await answer
        assert caught.value.phase is Phase.ANSWER
        await upstream.disconnected()


async def test_a_stall_between_two_pieces_is_told_apart() -> None:
    """A stream that stops in the middle fails in the phase `idle`."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always((*streamed([b"data: 1\n\n"], ended=False), Stall()))
        connection = pool.kept() or await pool.open(2.0)
        connection.send(REQUEST, Timeouts(first_token_s=5, idle_s=0.2, total_s=10), streaming=True)
        await connection.head()
        pieces: list[bytes] = []
        with pytest.raises(PhaseTimeout) as caught:
            await connection.pump(pieces.append)
        assert caught.value.phase is Phase.IDLE
        assert b"".join(pieces) == b"data: 1\n\n"


async def test_the_whole_call_has_a_limit() -> None:
    """A stream that never pauses long enough to stall still ends at the limit of the whole call."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always(streamed([b"x"] * 200, delay_s=0.05))
        connection = pool.kept() or await pool.open(2.0)
        connection.send(REQUEST, Timeouts(first_token_s=5, idle_s=5, total_s=0.4), streaming=True)
        await connection.head()
        with pytest.raises(PhaseTimeout) as caught:
            await connection.pump(lambda _data: None)
        assert caught.value.phase is Phase.TOTAL


SILENCES: list[tuple[str, Answer, Timeouts, Phase]] = [
    ("nothing", silent(), Timeouts(headers_s=0.2), Phase.HEADERS),
    ("half a head", (Send(b"HTTP/1.1 200 OK\r\n"), Stall()), Timeouts(headers_s=0.2), Phase.HEADERS),
    ("a head", (*streamed([], ended=False), Stall()), Timeouts(headers_s=5, first_token_s=0.3), Phase.FIRST_TOKEN),
    ("pings", streamed([b": ping\n\n"] * 200, delay_s=0.02), Timeouts(first_token_s=0.3), Phase.FIRST_TOKEN),
    (
        "pings after content",
        streamed([b"data: 1\n\n", *[b": ping\n\n"] * 200], delay_s=0.02),
        Timeouts(first_token_s=0.4, idle_s=0.3),
        Phase.CONTENT,
    ),
]


@pytest.mark.parametrize(("answer", "limits", "phase"), [row[1:] for row in SILENCES], ids=[row[0] for row in SILENCES])
async def test_a_stream_that_says_nothing_is_left(answer: Answer, limits: Timeouts, phase: Phase) -> None:
    """However it keeps silent, with signs of life or without, it ends, and it is told what was missing."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always(answer)
        connection = await pool.open(2.0)
        connection.send(REQUEST, limits, streaming=True)
        pieces: list[bytes] = []
        looked = 0

        def told() -> bool:
            nonlocal looked
            fresh, looked = pieces[looked:], len(pieces)
            return any(piece.startswith(b"data") for piece in fresh)

        async def read() -> None:
            await connection.head()
            await connection.pump(pieces.append, told)

        with pytest.raises(PhaseTimeout) as caught:
            await read()
        assert caught.value.phase is phase
        await upstream.disconnected()


async def test_a_sign_of_life_that_nobody_has_read_is_no_content() -> None:
    """A reader who comes late finds the limit of the first token, and not that of more content."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always((*streamed([b": ping\n\n"], ended=False), Stall()))
        connection = await pool.open(2.0)
        connection.send(REQUEST, Timeouts(first_token_s=5.0, idle_s=0.05, total_s=60.0), streaming=True)
        await connection.head()
        while not connection._parts:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
        for late_s in (1.0, 2.0, 5.0):
            connection.check(connection.begun + late_s)
        pumping = asyncio.ensure_future(connection.pump(lambda _data: None, lambda: False))
        await asyncio.sleep(0)
        connection.check(connection.begun + 5.0)
        with pytest.raises(PhaseTimeout) as caught:
            await pumping
        assert caught.value.phase is Phase.FIRST_TOKEN


async def test_what_follows_the_end_of_an_answer_is_not_waited_for() -> None:
    """A provider that pings on after the answer's end does not hold the stream open."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always(streamed([b"data: 1\n\n", *[b": ping\n\n"] * 400], delay_s=0.02))
        connection = await pool.open(2.0)
        connection.send(REQUEST, LIMITS, streaming=True)
        await connection.head()

        def feed(data: bytes) -> None:
            if b"data" in data:
                connection.hurry()

        with pytest.raises(PhaseTimeout) as caught:
            await connection.pump(feed)
        assert caught.value.phase is Phase.CLOSING


async def test_an_error_that_trickles_is_left() -> None:
    """A body that must come whole is no answer before its end, however long it trickles."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always(streamed([b"x"] * 400, status=500, delay_s=0.02))
        connection = await pool.open(2.0)
        connection.send(REQUEST, Timeouts(first_token_s=0.3, idle_s=5), streaming=True)
        await connection.head()
        with pytest.raises(PhaseTimeout) as caught:
            await collect(connection, 1_000)
        assert caught.value.phase is Phase.FIRST_TOKEN


async def test_cancelling_closes_the_connection() -> None:
    """Whoever leaves a call ends it at the provider too."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always((*streamed([b"data: 1\n\n"], ended=False), Stall()))
        connection = pool.kept() or await pool.open(2.0)
        connection.send(REQUEST, LIMITS, streaming=True)
        await connection.head()
        task = asyncio.ensure_future(connection.pump(lambda _data: None))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await upstream.disconnected()
        assert pool.size == 0


async def test_an_error_of_the_feed_ends_the_call() -> None:
    """What the reader of a stream raises comes out of `pump`, and the connection is closed."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always((*streamed([b"data: 1\n\n"], ended=False), Stall()))
        connection = pool.kept() or await pool.open(2.0)
        connection.send(REQUEST, LIMITS, streaming=True)
        await connection.head()

        def feed(_data: bytes) -> None:
            raise LookupError("no more")

        with pytest.raises(LookupError, match="no more"):
            await connection.pump(feed)
        await upstream.disconnected()


async def test_a_stream_read_late_is_whole_and_its_connection_not_shared_meanwhile() -> None:
    """A body that came before anyone asked for it stays with its call, even if another call is made meanwhile."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.play(streamed([b"one", b"two"]))
        first = pool.kept() or await pool.open(2.0)
        first.send(REQUEST, LIMITS, streaming=True)
        await first.head()
        await asyncio.sleep(0.1)
        upstream.play(whole(b'{"other":1}'))
        assert (await ask(pool))[1] == b'{"other":1}'
        pieces: list[bytes] = []
        await first.pump(pieces.append)
        assert b"".join(pieces) == b"onetwo"


async def test_pausing_stops_the_provider() -> None:
    """A paused connection takes nothing more off the socket, and goes on where it was."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always(streamed([b"x" * 1000] * 50))
        connection = pool.kept() or await pool.open(2.0)
        connection.send(REQUEST, Timeouts(first_token_s=5, idle_s=0.3, total_s=10), streaming=True)
        await connection.head()
        total = 0

        def feed(data: bytes) -> None:
            nonlocal total
            total += len(data)
            if total == len(data):
                connection.pause()
                asyncio.get_running_loop().call_later(0.6, connection.resume)

        await connection.pump(feed)
        assert total == 50_000


async def test_waits_for_a_place_in_order() -> None:
    """Calls beyond the limit of connections wait and are served; none is lost."""
    async with ScriptedUpstream() as upstream, pool_to(upstream, limit=2) as pool:
        upstream.always(streamed([b"{}"], delay_s=0.02))
        answers = await asyncio.gather(*(ask(pool) for _ in range(20)))
        assert [status for status, _, _ in answers] == [200] * 20
        assert upstream.opened <= 2


async def test_waiting_for_a_place_is_bounded() -> None:
    """No place within the connect limit is a timeout of that phase."""
    async with ScriptedUpstream() as upstream, pool_to(upstream, limit=1) as pool:
        upstream.always(silent())
        connection = pool.kept() or await pool.open(2.0)
        answer = connection.send(REQUEST, LIMITS)
        with pytest.raises(PhaseTimeout) as caught:
            await pool.open(0.1)
        assert caught.value.phase is Phase.CONNECT
        connection.abort()
        with pytest.raises(ConnectionFailed):
            await answer


async def test_a_refused_connection_says_where() -> None:
    """Nobody listening is a failure that names the address."""
    pool = Pool(Origin.parse("http://127.0.0.1:9"), limit=1)
    with pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1:9") as caught:
        await pool.open(1.0)
    assert caught.value.untouched
    assert pool.size == 0
    await pool.aclose()


async def test_half_a_close_before_the_answer_is_a_cut() -> None:
    """A provider that closes its sending side before the end has cut its answer."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always((Send(head(200, {"content-length": "100"}) + b"{"), EndSending()))
        with pytest.raises(ConnectionFailed):
            await ask(pool)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(1, 40))
def test_pieces_of_any_size_make_the_same_body(size: int) -> None:
    """However a response is cut into segments, its body is the same."""

    async def run() -> None:
        async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
            upstream.always(split(streamed([b"hello ", b"world"]), bytes_each=size))
            assert (await ask(pool))[1] == b"hello world"

    asyncio.run(run())


@pytest.mark.parametrize(
    "url",
    ["ftp://x/", "http://", "https://u:p@host/", "http://h:99999/", "http://h/?q=1", "http://h\r\nx: y/", "not a url"],
)
def test_a_bad_base_url_is_refused(url: str) -> None:
    """An address that is none is refused with what is expected."""
    with pytest.raises(ConfigError, match="expected"):
        Origin.parse(url)


def test_an_origin_is_read_whole() -> None:
    """Scheme, host, port and path of a base URL are kept, defaults filled in."""
    origin = Origin.parse("https://api.example.com/v1/")
    assert (origin.host, origin.port, origin.tls, origin.path) == ("api.example.com", 443, True, "/v1")
    assert origin.authority == "api.example.com"
    assert Origin.parse("http://[::1]:8000").authority == "[::1]:8000"
    assert chunk(b"ab") == b"2\r\nab\r\n"


class _Kept:
    """Takes pieces in."""

    def feed(self, data: bytes) -> None:
        """Do nothing with it."""


async def test_a_kept_connection_holds_nothing_of_the_call_before() -> None:
    """While it waits for the next call, neither the answer nor whoever took it is kept alive by it."""
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        upstream.always(streamed([b"data: 1\n\n"]))
        connection = await pool.open(2.0)
        connection.send(REQUEST, LIMITS, streaming=True)
        await connection.head()
        taker = _Kept()
        known = weakref.ref(taker)
        await connection.pump(taker.feed)
        assert pool.kept() is connection
        del taker
        assert known() is None


async def test_a_connection_that_is_lost_as_it_is_made_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A far end that hangs up at once refuses the call, and its connection is not counted as open."""

    async def lost(_: Origin, protocol: Callable[[], Connection]) -> tuple[None, Connection]:
        connection = protocol()
        connection.connection_lost(None)
        return None, connection

    monkeypatch.setattr(pool_module, "dial", lost)
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        with pytest.raises(ConnectionFailed, match="closed as soon as it was opened") as raised:
            await pool.open(2.0)
        assert raised.value.untouched
        assert pool.size == 0


async def test_a_connection_that_is_made_after_it_was_given_up_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller who leaves in the moment of the connect leaves no connection behind."""
    opened: list[Connection] = []

    async def slow(origin: Origin, protocol: Callable[[], Connection]) -> object:
        opened.append(protocol())
        await asyncio.Event().wait()
        return None

    monkeypatch.setattr(pool_module, "dial", slow)
    async with ScriptedUpstream() as upstream, pool_to(upstream) as pool:
        opening = asyncio.create_task(pool.open(2.0))
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        transport, connection = await dial(pool.origin, lambda: opened[0])
        assert transport.is_closing()
        assert not connection.usable
        assert pool.size == 0
        await asyncio.to_thread(upstream.wait_for, lambda: upstream.closed == 1)
