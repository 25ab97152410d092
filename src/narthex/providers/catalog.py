"""Names to models: `provider/model`, aliases, and plain names that only one provider has."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from narthex.errors import InvalidRequest, ModelNotFound
from narthex.providers.contract import KeyHolding, PartialTimeouts, Provider, Timeouts
from narthex.providers.prefixes import PrefixCaching
from narthex.types.catalog import ModelFacts, Price

MAX_REMEMBERED: Final = 4_096
"""Names resolved for providers whose models are not known in advance that are remembered."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A model at a provider: where a call goes."""

    name: str
    """`provider/model`."""
    header: bytes
    """The header line of an answer that tells it."""
    model: str
    """The provider's own name for it."""
    provider: Provider
    timeouts: Timeouts
    facts: ModelFacts | None = None
    streams: bool = True
    """Whether it is asked for a stream where one is wanted; if not, it is asked for a whole answer."""
    caching: PrefixCaching | None = None
    """How its provider's cache of prompts is used; None where nothing can be said to it."""
    by_prefix: bool | None = None
    """Whether large calls to it use the key that others used which began alike, or only those that ask for that; None
    where there are not several keys."""


class Catalog:
    """The models there are.

    A provider whose models are not known (it was not asked yet, or cannot be asked) serves any name behind its own.
    """

    def __init__(
        self,
        providers: Iterable[tuple[Provider, Timeouts]],
        *,
        aliases: Mapping[str, str] | None = None,
        default_model: str = "",
        prices: Mapping[str, Price] | None = None,
        limits: Mapping[str, PartialTimeouts] | None = None,
        streams: Mapping[str, bool] | None = None,
        merged: Iterable[str] = (),
        caching: Mapping[str, PrefixCaching] | None = None,
    ) -> None:
        """Begin with what each provider's own list tells.

        Args:
            providers: The providers, each with the limits of time of calls to it.
            aliases: Plain names, and what they stand for.
            default_model: What a call without a model is for.
            prices: What models cost, by `provider/model`.
            limits: What models have other limits of time for than their provider has, by `provider/model`; those of
                virtual models by their plain names.
            streams: Whether providers, by name, and models, by `provider/model`, can stream; who is not named can.
            merged: Plain names that stand for several models at once.
            caching: How caches of prompts are used, of providers by name and of models by `provider/model`.
        """
        self._caching = dict(caching or {})
        self.by_prefix = True
        """Whether large calls to a provider with several keys use that which others used that began alike."""
        self._prices = dict(prices or {})
        self._streams, self.merged = dict(streams or {}), tuple(merged)
        limits = limits or {}
        self._limits = {name: one for name, one in limits.items() if "/" in name}
        self.virtual_limits = {name: one for name, one in limits.items() if "/" not in name}
        self._providers = {provider.name: (provider, timeouts) for provider, timeouts in providers}
        self.aliases = dict(aliases or {})
        self.default_model = default_model
        self._models: dict[str, dict[str, ModelFacts]] = {}
        self._open = set(self._providers)
        self._targets: dict[str, Target] = {}
        self._told_prices: dict[str, Price | None] = {}
        """Prices that providers tell, as every call asks for one; forgotten with what was told."""

    def adopt(self, other: Catalog) -> None:
        """Become the other catalog, at once; what was learned of providers that stay is kept."""
        kept = {name: models for name, models in self._models.items() if name in other._providers}
        self._models = {**kept, **other._models}
        self._open = other._open
        self._providers = other._providers
        self.aliases = other.aliases
        self.default_model = other.default_model
        self._prices, self._streams, self.merged = other._prices, other._streams, other.merged
        self._limits, self.virtual_limits = other._limits, other.virtual_limits
        self._caching, self.by_prefix = other._caching, other.by_prefix
        self._targets, self._told_prices = {}, {}

    @property
    def providers(self) -> tuple[Provider, ...]:
        """All providers, in the order of the configuration."""
        return tuple(provider for provider, _ in self._providers.values())

    def timeouts(self, provider: str) -> Timeouts:
        """Return the limits of calls to the provider of this name."""
        return self._providers[provider][1]

    def learn(self, provider: str, models: Iterable[ModelFacts], *, closed: bool) -> None:
        """Take in what a provider serves; what is said of one that is no longer there is passed over.

        Args:
            provider: Its name.
            models: What it serves, as far as known.
            closed: Whether it serves nothing else.
        """
        if provider not in self._providers:
            return
        self._models[provider] = {facts.id: facts for facts in models}
        if closed:
            self._open.discard(provider)
        else:
            self._open.add(provider)
        self._targets.clear()
        self._told_prices.clear()

    def closed(self, provider: str) -> bool:
        """Tell whether the provider of this name serves nothing but the models that are known."""
        return provider in self._providers and provider not in self._open

    def models(self) -> list[ModelFacts]:
        """Return what is known of all models, by provider in the order of the configuration."""
        return [facts for name in self._providers for facts in self._models.get(name, {}).values()]

    def aliases_of(self, name: str) -> list[str]:
        """Return the aliases that lead to the model `provider/model`."""
        return sorted(alias for alias in self.aliases if self.canonical(alias) == name)

    def resolve(self, name: str) -> Target:
        """Return where a call for the model `name` goes; the empty name is the default model.

        Raises:
            ModelNotFound: No provider has it; the message names the nearest.
            InvalidRequest: No model was named and there is no default.
        """
        target = self._targets.get(name)
        if target is not None:
            return target
        if not name and not self.default_model:
            raise InvalidRequest("name a model: `GET /v1/models` lists those there are", param="model")
        target = self._find(self.canonical(name or self.default_model))
        if target is None:
            raise ModelNotFound(self._not_found(name or self.default_model), param="model")
        if len(self._targets) >= MAX_REMEMBERED:
            self._targets.clear()
        self._targets[name] = target
        return target

    def of_provider(self, provider: str, name: str) -> str:
        """Return a plain name as that of a provider's model, if it is known to have one of that name."""
        own = f"{provider}/{name}"
        return own if self.knows(own) else name

    def knows(self, name: str) -> bool:
        """Tell whether a provider is known to have the model `provider/model`."""
        provider, _, model = name.partition("/")
        return model in self._models.get(provider, {})

    def facts(self, name: str) -> ModelFacts | None:
        """Return what is known of the model `provider/model`; a price that is configured is known of any."""
        provider, _, model = name.partition("/")
        known, price = self._models.get(provider, {}).get(model), self._prices.get(name)
        if price is None:
            return known
        return msgspec.structs.replace(
            known or ModelFacts(id=model, provider=provider),
            input_microusd_per_mtok=price.input_microusd_per_mtok,
            output_microusd_per_mtok=price.output_microusd_per_mtok,
        )

    def price(self, name: str) -> Price | None:
        """Return what the model `provider/model` costs: as configured, or as its provider tells; None if not known."""
        price = self._prices.get(name)
        if price is not None:
            return price
        if name not in self._told_prices:
            if len(self._told_prices) >= MAX_REMEMBERED:
                self._told_prices.clear()
            facts = self.facts(name)
            self._told_prices[name] = None if facts is None else facts.price
        return self._told_prices[name]

    def meant(self, name: str) -> str:
        """Return what a caller's name stands for; the empty one is the default model."""
        return self.canonical(name or self.default_model)

    def canonical(self, name: str) -> str:
        """Return what a name stands for: an alias is followed to its end."""
        for _ in range(len(self.aliases) + 1):
            if name not in self.aliases:
                break
            name = self.aliases[name]
        return name

    def _find(self, name: str) -> Target | None:
        provider, slash, model = name.partition("/")
        if slash and model and provider in self._providers:
            facts = self._models.get(provider, {}).get(model)
            if facts is not None or provider in self._open:
                return self._target(provider, model, facts)
        owners = [owner for owner, models in self._models.items() if name in models]
        if len(owners) == 1:
            return self._target(owners[0], name, self._models[owners[0]][name])
        return None

    def _target(self, provider: str, model: str, facts: ModelFacts | None) -> Target | None:
        if not model.isascii() or not model.isprintable() or len(model) > 256:
            return None
        implementation, timeouts = self._providers[provider]
        name = f"{provider}/{model}"
        own = self._limits.get(name)
        return Target(
            name=name,
            header=b"x-narthex-model: %b\r\n" % name.encode(),
            model=model,
            provider=implementation,
            timeouts=timeouts if own is None else own.over(timeouts),
            facts=facts,
            streams=self._streams.get(name, self._streams.get(provider, True)),
            caching=self._caching.get(name, self._caching.get(provider)),
            by_prefix=self.by_prefix if _has_several_keys(implementation) else None,
        )

    def _not_found(self, name: str) -> str:
        owners = [owner for owner, models in self._models.items() if name in models]
        shown = name if len(name) <= 100 else f"{name[:100]}…"
        if len(owners) > 1:
            choices = " or ".join(f"`{owner}/{name}`" for owner in sorted(owners))
            return f"several providers have a model {shown!r}: ask for {choices}"
        known = [*self.aliases, *(facts.name for facts in self.models())]
        near = difflib.get_close_matches(name, known, n=1) if len(name) <= 100 else []
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"there is no model {shown!r}; {hint}`GET /v1/models` lists those there are"


def _has_several_keys(provider: Provider) -> bool:
    return isinstance(provider, KeyHolding) and len(provider.key_reports()) > 1
