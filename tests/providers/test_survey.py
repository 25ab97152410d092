"""Asking the providers for their models: seldom, together, and never at the cost of the caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from narthex.errors import ModelNotFound
from narthex.pipeline.gateway import TaskKeeper
from narthex.providers import survey as module
from narthex.providers.catalog import Catalog
from narthex.providers.survey import Survey
from tests.providers.listed import ListedProvider, facts, with_limits


@asynccontextmanager
async def surveying(*providers: ListedProvider) -> AsyncIterator[tuple[Catalog, Survey]]:
    """Give a catalog of these providers and the survey of it."""
    keeper = TaskKeeper()
    catalog = Catalog(with_limits(*providers))
    try:
        yield catalog, Survey(catalog, keeper.spawn)
    finally:
        await keeper.aclose()


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_first_call_waits_for_the_answers() -> None:
    """Who asks first sees all that the providers tell."""
    async with surveying(ListedProvider("a", "x"), ListedProvider("b", "y", "z")) as (catalog, survey):
        await survey.refresh()
        assert [one.name for one in catalog.models()] == ["a/x", "b/y", "b/z"]


async def test_a_fresh_answer_is_not_asked_for_again() -> None:
    """Providers are not asked at every call, but again once the answer has aged or settings have changed."""
    provider = ListedProvider("a", "x")
    async with surveying(provider) as (_, survey):
        for _ in range(3):
            await survey.refresh()
        assert provider.asked == 1
        survey.expire()
        await survey.refresh()
        await settled()
        assert provider.asked == 2


async def test_many_callers_ask_once() -> None:
    """Callers that come while the providers are asked wait for the same answers."""
    provider = ListedProvider("a", "x")
    provider.let.clear()
    async with surveying(provider) as (catalog, survey):
        callers = [asyncio.ensure_future(survey.refresh()) for _ in range(5)]
        await asyncio.sleep(0.01)
        assert not any(caller.done() for caller in callers)
        provider.let.set()
        await asyncio.gather(*callers)
        assert provider.asked == 1
        assert len(catalog.models()) == 1


async def test_a_silent_provider_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a moment the caller goes on with what there is; what comes later is there for the next."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    slow, quick = ListedProvider("slow", "x"), ListedProvider("quick", "y")
    slow.let.clear()
    async with surveying(slow, quick) as (catalog, survey):
        await survey.refresh()
        assert [one.name for one in catalog.models()] == ["quick/y"]
        slow.let.set()
        await survey.refresh()
        assert [one.name for one in catalog.models()] == ["slow/x", "quick/y"]


async def test_later_callers_never_wait() -> None:
    """Once there are answers, asking again is done behind the caller's back."""
    provider = ListedProvider("a", "x")
    async with surveying(provider) as (_, survey):
        await survey.refresh()
        provider.let.clear()
        survey.expire()
        await asyncio.wait_for(survey.refresh(), 30)
        await settled()
        assert provider.asked == 2


async def test_a_provider_that_fails_keeps_what_was_known_of_it() -> None:
    """One that cannot be asked takes away neither its own models nor those of others."""
    failing, well = ListedProvider("failing", "x"), ListedProvider("well", "y")
    async with surveying(failing, well) as (catalog, survey):
        await survey.refresh()
        failing.fails = True
        survey.expire()
        await survey.refresh()
        await settled()
        assert [one.name for one in catalog.models()] == ["failing/x", "well/y"]


async def test_a_remote_list_is_no_promise_that_there_is_nothing_else() -> None:
    """Providers behind an address may serve more than they list; those of this process may not."""
    async with surveying(ListedProvider("far", "x"), ListedProvider("own", "y", kind="scripted")) as (catalog, survey):
        await survey.refresh()
        assert catalog.resolve("far/unheard-of").facts is None
        with pytest.raises(ModelNotFound):
            catalog.resolve("own/unheard-of")


async def test_a_list_in_the_configuration_stays_the_whole_list() -> None:
    """A provider that is configured to serve certain models serves no others after a survey either."""
    async with surveying(ListedProvider("far", "x")) as (catalog, survey):
        catalog.learn("far", facts("far", "x"), closed=True)
        await survey.refresh()
        with pytest.raises(ModelNotFound):
            catalog.resolve("far/unheard-of")


async def test_an_answer_that_comes_after_a_reload_is_not_another_providers() -> None:
    """What a provider tells after its name was given to another says nothing about the other."""
    old, new = ListedProvider("p", "old"), ListedProvider("p", "new")
    old.let.clear()
    async with surveying(old) as (catalog, survey):
        asking = asyncio.ensure_future(survey.refresh())
        await asyncio.sleep(0.01)
        catalog.adopt(Catalog(with_limits(new)))
        old.let.set()
        await asking
        assert catalog.models() == []
