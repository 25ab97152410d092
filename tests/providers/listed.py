"""A provider that is only asked for its models."""

from __future__ import annotations

import asyncio

from narthex.errors import ProviderUnreachable
from narthex.providers.contract import Call, Health, Provider, Reply, Timeouts
from narthex.types.catalog import ModelFacts
from narthex.types.dialects import Dialect


class ListedProvider:
    """Says which models it has, when it is let."""

    dialects: frozenset[Dialect] = frozenset()

    def __init__(self, name: str, *models: str, kind: str = "openai") -> None:
        self.name = name
        self.kind = kind
        self.models = models
        self.asked = 0
        self.fails = False
        self.let = asyncio.Event()
        """Set while it answers."""
        self.let.set()

    async def send(self, call: Call) -> Reply:
        """Not here."""
        raise NotImplementedError

    async def list_models(self) -> tuple[ModelFacts, ...]:
        """Say which."""
        self.asked += 1
        await self.let.wait()
        if self.fails:
            raise ProviderUnreachable("nobody there", provider=self.name)
        return facts(self.name, *self.models)

    def health(self) -> Health:
        """Well."""
        return Health(status="ok")

    async def aclose(self) -> None:
        """Nothing is open."""


def facts(provider: str, *models: str) -> tuple[ModelFacts, ...]:
    """Return what is known of these models: that they are there."""
    return tuple(ModelFacts(id=model, provider=provider) for model in models)


def with_limits(*providers: Provider) -> list[tuple[Provider, Timeouts]]:
    """Return the providers as a catalog takes them."""
    return [(provider, Timeouts()) for provider in providers]
