"""One connection to Redis or Valkey over which all looks go: those asked in the same turn of the loop in one stroke.

The client has a connection for each question that is under way and a task for each step of it, which costs more than
the question. Here whoever asks while others are answered waits for the next stroke, and the server answers in the order
in which it was asked.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, cast

from narthex.stores.link import raise_if_cancelled

if TYPE_CHECKING:
    from redis.asyncio import Connection, Redis

PING_S: Final = 1.0
"""How often it is looked whether the server is there while nobody asks."""
_GROUP: Final = 64
"""Questions in one stroke: so long, at most, one waits that comes right after it began."""

Word = str | bytes | int
_Question = tuple[tuple[Word, ...], asyncio.Future[object]]


class RedisLine:
    """Carries questions to the server, and its answers back."""

    def __init__(self) -> None:
        """Begin without a connection; what is asked waits for it."""
        self._asked: deque[_Question] = deque()
        self._woken = asyncio.Event()

    def ask(self, *command: Word) -> asyncio.Future[object]:
        """Return the future of the server's answer to a command, which is not asked if that is cancelled before.

        The future raises:
            RedisError: The server refuses it.
            ConnectionError: The server is gone.
        """
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._asked.append((command, future))
        self._woken.set()
        return future

    async def run(self, client: Redis) -> None:
        """Carry until cancelled, over a connection of its own.

        Raises:
            RedisError: It is lost.
        """
        pool = client.connection_pool
        # The client's own types leave it open.
        connection = cast("Connection", await pool.get_connection())  # type: ignore[no-untyped-call]
        try:
            while True:
                raise_if_cancelled()
                self._woken.clear()
                while self._asked:
                    await self._stroke(connection)
                    raise_if_cancelled()
                try:
                    async with asyncio.timeout(PING_S):
                        await self._woken.wait()
                except TimeoutError:
                    self.ask("PING")
        finally:
            self.left()
            await connection.disconnect(nowait=True)
            await pool.release(connection)

    def left(self) -> None:
        """Have nobody wait any more: the connection is lost."""
        asked = tuple(self._asked)
        self._asked.clear()
        _fail(asked)

    async def _stroke(self, connection: Connection) -> None:
        """Ask what has waited longest, and hand on the answers."""
        from redis.exceptions import ResponseError  # noqa: PLC0415 - not cheap to load

        asked = [self._asked.popleft() for _ in range(min(_GROUP, len(self._asked)))]
        asked = [one for one in asked if not one[1].done()]
        answered = 0
        try:
            packed = b"".join(_packed(command) for command, _ in asked)
            await connection.send_packed_command(packed, check_health=False)
            for _, future in asked:
                try:
                    answer: object = await connection.read_response()
                except ResponseError as error:
                    answer = error
                answered += 1
                _hand(future, answer)
        finally:
            _fail(asked[answered:])


def _packed(command: tuple[Word, ...]) -> bytes:
    """Return a command as it is sent: the client's own way takes longer than the rest of a question.

    https://redis.io/docs/latest/develop/reference/protocol-spec/#sending-commands-to-a-redis-server
    """
    words = [word if isinstance(word, bytes) else str(word).encode() for word in command]
    return b"*%d\r\n%b" % (len(words), b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words))


def _hand(future: asyncio.Future[object], answer: object) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
        # Nobody may be there to hear of it.
        future.exception()
    else:
        future.set_result(answer)


def _fail(asked: Iterable[_Question]) -> None:
    for _, future in asked:
        _hand(future, ConnectionError("the server is away"))
