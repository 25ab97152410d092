"""Responses in the background that other processes carry on: how they stand, and that they ended where those died.

What is kept of one says that it has begun, and then how it ended. In between its stream tells; where there is none any
more, and nobody is left who would write down the end, it has failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from narthex.errors import NodeSilent, ProducerLost, StreamEnded, StreamExpired, StreamNotFound, StreamNotKept
from narthex.pipeline.handles import Elsewhere
from narthex.pipeline.registry import Registry
from narthex.wire.openai_responses.kept import KeptResponse, decode_kept

_LOOKS: Final = 50
"""How often it is looked for an end that is being written down."""
LOOK_S: Final = 0.02

_State = Literal["queued", "in_progress", "ended", "lost"]


class Carriers:
    """The processes that carry responses on."""

    def __init__(self, registry: Registry, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Take where streams are found, and what waits before it is looked again."""
        self._registry = registry
        self._sleep = sleep

    @property
    def node(self) -> str | None:
        """The name of this process among them; None where it is alone."""
        elsewhere = self._registry.elsewhere
        return None if elsewhere is None else elsewhere.node

    async def standing(
        self, owner: str, kept: KeptResponse, again: Callable[[], Awaitable[bytes | None]]
    ) -> KeptResponse | None:
        """Return a response as it stands that was under way when it was last written down.

        Args:
            owner: Whose it is.
            kept: The response.
            again: Returns what is written down of it by now.

        Returns:
            The response; None if it is not kept any more.

        Raises:
            Overloaded: Nobody can say.
            StreamUnreachable: Nobody can say.
        """
        state = await self._state(owner, kept)
        if state in {"queued", "in_progress"}:
            return kept.standing(state)
        for look in range(1 if state == "lost" else _LOOKS):
            if look:
                await self._sleep(LOOK_S)
            data = await again()
            if data is None:
                return None
            found = decode_kept(data)
            if found.ended:
                return found
        return kept.failed(ProducerLost()) if state == "lost" else kept.standing("in_progress")

    async def cancel(self, owner: str, response_id: str) -> None:
        """Have the process that carries a response on end it; one that has ended stays as it is.

        Raises:
            StreamUnreachable: That process cannot be asked just now.
            NodeSilent: It did not answer in time.
        """
        for look in range(_LOOKS):
            if look:
                await self._sleep(LOOK_S)
            try:
                await (await self._registry.look_up(owner, response_id)).tell("cancel")
            except (StreamNotFound, StreamNotKept):
                # It may be about to begin.
                continue
            except (StreamEnded, StreamExpired):
                pass
            return

    async def _state(self, owner: str, kept: KeptResponse) -> _State:
        elsewhere = self._registry.elsewhere
        try:
            report = await (await self._registry.look_up(owner, kept.id)).tell("report")
        except StreamExpired:
            return "lost"
        except (StreamNotFound, StreamNotKept, NodeSilent):
            # It has not begun, or will not any more.
            return "lost" if await self._is_gone(elsewhere, kept.node) else "queued"
        if report.status == "waiting":
            return "queued"
        if report.status in {"running", "paused"}:
            return "in_progress"
        if report.error is not None and report.error.code == ProducerLost.code:
            return "lost"
        return "lost" if await self._is_gone(elsewhere, kept.node) else "ended"

    async def _is_gone(self, elsewhere: Elsewhere | None, node: str) -> bool:
        """Tell whether nobody is left who would write down the end: we do not either, or it would be known here."""
        return elsewhere is None or node == elsewhere.node or await elsewhere.is_dead(node)
