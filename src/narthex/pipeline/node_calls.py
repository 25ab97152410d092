"""Questions between processes that share streams, and their answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from narthex.errors import NarthexError, NodeSilent, StreamNotFound, StreamUnreachable
from narthex.pipeline.handles import Word, error_of, obey
from narthex.pipeline.owned import Owned, StreamReport, Told
from narthex.pipeline.registry import Registry
from narthex.stores.stream_records import StreamKey

logger = logging.getLogger(__name__)

Asked = Word | Literal["delete"]
Send = Callable[[str, bytes], Awaitable[None]]
"""Writes to a process."""


class _Ask(msgspec.Struct, frozen=True, tag="ask", array_like=True):
    """What one process wants of another."""

    sender: str
    call: int
    word: Asked
    owner: str
    id: str


class _Reply(msgspec.Struct, frozen=True, tag="reply", array_like=True):
    """What that one answers."""

    call: int
    report: StreamReport | None
    error: Told | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Ask | _Reply).decode


class NodeCalls:
    """What this process asks of others, and does for them."""

    def __init__(
        self,
        node: str,
        registry: Registry,
        *,
        ours: Callable[[StreamKey], Owned | None],
        touched: Callable[[Owned], None],
    ) -> None:
        """Begin without any.

        Args:
            node: Name of this process.
            registry: Its streams.
            ours: Finds one of them.
            touched: Called when one stands otherwise.
        """
        self._node = node
        self._registry = registry
        self._ours = ours
        self._touched = touched
        self._open: dict[int, asyncio.Future[_Reply]] = {}
        self._count = 0

    async def ask(self, node: str, key: StreamKey, word: Asked, *, send: Send, timeout_s: float) -> StreamReport | None:
        """Have the process that writes a stream do something with it, and return how it stands then.

        Raises:
            NarthexError: It cannot, and this is why.
            NodeSilent: It did not answer in time.
            StreamUnreachable: It cannot be asked.
        """
        self._count += 1
        call = self._count
        future: asyncio.Future[_Reply] = asyncio.get_running_loop().create_future()
        self._open[call] = future
        try:
            async with asyncio.timeout(timeout_s):
                await send(node, _encode(_Ask(self._node, call, word, key.owner, key.id)))
                reply = await future
        except TimeoutError:
            raise NodeSilent from None
        finally:
            del self._open[call]
        if reply.error is not None:
            raise error_of(reply.error)
        return reply.report

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
            await send(said.sender, _encode(self._done(said)))
            return
        future = self._open.get(said.call)
        if future is not None and not future.done():
            future.set_result(said)

    def break_off(self) -> None:
        """Have nobody wait for an answer any more."""
        for future in self._open.values():
            if not future.done():
                future.set_exception(StreamUnreachable())

    def _done(self, ask: _Ask) -> _Reply:
        owned = self._ours(StreamKey(ask.owner, ask.id))
        try:
            if owned is None:
                raise StreamNotFound
            if ask.word == "delete":
                self._registry.forget(owned)
                return _Reply(ask.call, None, None)
            report = obey(owned, ask.word, pause_limit_s=self._registry.policy.pause_limit_s)
        except NarthexError as error:
            return _Reply(ask.call, None, Told(code=error.code, message=error.message))
        if ask.word != "report":
            self._touched(owned)
        return _Reply(ask.call, report, None)
