"""Questions between processes that share streams, and their answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from narthex.errors import InternalError, NarthexError, NodeSilent, StreamNotFound, StreamUnreachable
from narthex.pipeline.contract import Spawn
from narthex.pipeline.handles import Question, Word, error_of, obey
from narthex.pipeline.owned import Owned, StreamReport, Told
from narthex.pipeline.registry import Registry
from narthex.stores.stream_records import StreamKey

logger = logging.getLogger(__name__)

_Done = Word | Literal["delete"]
Asked = _Done | Question
Send = Callable[[str, bytes], Awaitable[None]]
"""Writes to a process."""


class _Ask(msgspec.Struct, frozen=True, tag="ask", array_like=True):
    """What one process wants of another."""

    sender: str
    call: int
    word: Asked
    owner: str
    id: str
    number: int = 0


class Reply(msgspec.Struct, frozen=True, tag="reply", array_like=True):
    """What that one answers."""

    call: int
    report: StreamReport | None
    """How the stream stands then."""
    error: Told | None
    told: bytes = b""
    """The answer to a question, in JSON."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Ask | Reply).decode


class NodeCalls:
    """What this process asks of others, and does for them."""

    def __init__(
        self,
        node: str,
        registry: Registry,
        *,
        ours: Callable[[StreamKey], Owned | None],
        touched: Callable[[Owned], None],
        spawn: Spawn,
    ) -> None:
        """Begin without any.

        Args:
            node: Name of this process.
            registry: Its streams.
            ours: Finds one of them.
            touched: Called when one stands otherwise.
            spawn: Keeps what is answered only after a while.
        """
        self._node = node
        self._registry = registry
        self._ours = ours
        self._touched = touched
        self._spawn = spawn
        self._open: dict[int, asyncio.Future[Reply]] = {}
        self._count = 0

    async def ask(
        self, node: str, key: StreamKey, word: Asked, number: int = 0, *, send: Send, timeout_s: float
    ) -> Reply:
        """Have the process that writes a stream do something with it, or answer what only it knows.

        Args:
            node: That process.
            key: The stream.
            word: What it is to do.
            number: What goes with that: see `Question`.
            send: Writes to it.
            timeout_s: How long its answer is waited for.

        Raises:
            NarthexError: It cannot, and this is why.
            NodeSilent: It did not answer in time.
            StreamUnreachable: It cannot be asked.
        """
        self._count += 1
        ask = _Ask(self._node, self._count, word, key.owner, key.id, number)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._open[ask.call] = future
        try:
            async with asyncio.timeout(timeout_s):
                await send(node, _encode(ask))
                reply = await future
        except TimeoutError:
            raise NodeSilent from None
        finally:
            del self._open[ask.call]
        if reply.error is not None:
            raise error_of(reply.error)
        return reply

    async def heard(self, message: bytes, *, send: Send) -> None:
        """Do what another process asks for, or take its answer."""
        if not message:
            return
        try:
            said = _decode(message)
        except msgspec.DecodeError:
            logger.warning("a process of another version wrote what cannot be read here")
            return
        if isinstance(said, _Ask):
            match said.word:
                case "timeline" | "record" as question:
                    # What others say is not to wait for it.
                    self._spawn(self._answered(said, question, send))
                case word:
                    await send(said.sender, _encode(self._done(said, word)))
            return
        future = self._open.get(said.call)
        if future is not None and not future.done():
            future.set_result(said)

    def break_off(self) -> None:
        """Have nobody wait for an answer any more."""
        for call, future in self._open.items():
            if not future.done():
                # No exception: whoever is still about to send would never look at it.
                future.set_result(_refused(call, StreamUnreachable()))

    def _owned(self, ask: _Ask) -> Owned:
        owned = self._ours(StreamKey(ask.owner, ask.id))
        if owned is None:
            raise StreamNotFound
        return owned

    def _done(self, ask: _Ask, word: _Done) -> Reply:
        try:
            owned = self._owned(ask)
            if word == "delete":
                self._registry.forget(owned)
                return Reply(ask.call, None, None)
            report = obey(owned, word, pause_limit_s=self._registry.policy.pause_limit_s)
        except NarthexError as error:
            return _refused(ask.call, error)
        if word != "report":
            self._touched(owned)
        return Reply(ask.call, report, None)

    async def _answered(self, ask: _Ask, question: Question, send: Send) -> None:
        try:
            told = await self._registry.handle(self._owned(ask)).ask(question, ask.number)
            reply = Reply(ask.call, None, None, told)
        except NarthexError as error:
            reply = _refused(ask.call, error)
        except Exception:  # the edge of this task: whoever asked is not to wait for what will not come
            logger.exception("a question of another process broke")
            reply = _refused(ask.call, InternalError())
        try:
            await send(ask.sender, _encode(reply))
        except Exception:  # noqa: BLE001 - the edge of this task: whoever asked hears that nobody answered
            logger.warning("an answer could not be sent to the process %s that asked", ask.sender)


def _refused(call: int, error: NarthexError) -> Reply:
    return Reply(call, None, Told(code=error.code, message=error.message))
