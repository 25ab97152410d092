"""What the routes call."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

from narthex.pipeline.shared_state import SharedState
from tests.http.doors import house


class Shared:
    """What is shared with others: it counts how often they were waited for."""

    settled = 0

    async def settle(self) -> None:
        """Count it."""
        self.settled += 1


async def test_others_are_waited_for_where_there_are_any(tmp_path: Path) -> None:
    """A change by hand is settled with the other processes; alone there is nobody to wait for."""
    shared = Shared()
    async with house(tmp_path) as opened:
        assert opened.services.shared is None
        await opened.services.settle()
        await replace(opened.services, shared=cast("SharedState", shared)).settle()
    assert shared.settled == 1
