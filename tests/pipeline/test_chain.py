"""The stages in order, waiting or not."""

from __future__ import annotations

import pytest

from narthex.config.settings import IdempotencySettings
from narthex.pipeline.chain import compose, default_stages
from narthex.pipeline.contract import Next
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.gateway import TaskKeeper
from narthex.pipeline.recovery import Recovery
from narthex.pipeline.stages.admit import Doorkeeper
from narthex.pipeline.stages.idempotency import Idempotency
from narthex.providers.catalog import Catalog
from narthex.routing.router import Router
from narthex.tenancy.keys import Keyring
from tests.pipeline.doubles import exchange, surroundings


async def test_stages_run_in_their_order() -> None:
    """The first of the list is the outermost, whether it waits or not; what comes after the rest comes in reverse."""
    seen: list[str] = []

    class Waiting:
        def __init__(self, name: str) -> None:
            self.name = name

        async def __call__(self, exchange: Exchange, call_next: Next) -> None:
            seen.append(f"{self.name} in")
            if self.name != "last":
                await call_next(exchange)
            seen.append(f"{self.name} out")

    class Plain:
        def __call__(self, exchange: Exchange) -> None:
            seen.append("plain")

    await compose([Plain(), Waiting("first"), Plain(), Waiting("last")])(exchange({}))
    assert seen == ["plain", "first in", "plain", "last in", "last out", "first out"]


async def test_a_chain_that_answers_nothing_says_so() -> None:
    """A list without a stage that answers is a fault that names the request."""
    call = exchange({})
    with pytest.raises(RuntimeError, match=call.id):
        await compose([])(call)


async def test_a_refusal_ends_the_way() -> None:
    """What a check raises is raised, and nothing behind it runs."""

    class Refusing:
        def __call__(self, exchange: Exchange) -> None:
            raise PermissionError

    class Never:
        def __call__(self, exchange: Exchange) -> None:
            pytest.fail("this stage stands behind one that refuses")

    with pytest.raises(PermissionError):
        await compose([Refusing(), Never()])(exchange({}))


async def test_the_way_of_every_call() -> None:
    """The built-in stages stand in their order, identity first and the provider last."""
    stages = default_stages(
        keyring=Keyring([]),
        doorkeeper=Doorkeeper(),
        idempotency=Idempotency(IdempotencySettings(), TaskKeeper().spawn),
        catalog=Catalog([]),
        router=Router(*surroundings(Catalog([]))),
        spawn=TaskKeeper().spawn,
        recovery=Recovery(chain=lambda _exchange: ()),
    )
    order = ["Identify", "Admit", "SetPace", "Idempotency", "StandIn", "Route", "Permit", "Cascade", "Attempt"]
    assert [type(stage).__name__ for stage in stages] == order
