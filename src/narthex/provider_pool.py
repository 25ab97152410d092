"""The providers that settings name, built once each and kept over a reload where nothing about them has changed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from narthex import __version__
from narthex.config.discovery import ollama_candidate
from narthex.config.prices import prices
from narthex.config.settings import ProviderSettings, Settings
from narthex.pipeline.contract import Spawn
from narthex.pipeline.stages.admit import MAX_TIMEOUT_S
from narthex.policies import partial_timeouts, prefix_caching, streaming, timeouts
from narthex.providers.catalog import Catalog
from narthex.providers.contract import Provider, Timeouts
from narthex.providers.embedded.provider import EmbeddedProvider
from narthex.providers.handover import close_unused, hand_keys_over
from narthex.providers.key_books import ProviderKeys
from narthex.providers.prefixes import Prefixes
from narthex.providers.remote import RemoteProvider, RemoteSettings
from narthex.providers.remote_keys import KeyedProvider
from narthex.providers.scripted.provider import ScriptedProvider
from narthex.providers.transport.dialling import takes_connections
from narthex.providers.transport.origin import Origin
from narthex.resilience.cooling import KeyPolicy, KeyPool
from narthex.types.keys import KeyId
from narthex.types.vendors import VENDORS


class ProviderPool:
    """The providers there are: the embedded one, and those of the configuration."""

    def __init__(self, embedded: EmbeddedProvider | None, environment: Mapping[str, str]) -> None:
        """Begin with the model inside, if there is one, and the environment that may name an Ollama."""
        self._embedded = embedded
        self._environment = environment
        self._remotes: dict[str, tuple[ProviderSettings, Provider]] = {}
        self._prefixes = Prefixes(time.monotonic)

    async def catalog(self, settings: Settings) -> Catalog:
        """Build the catalog of these settings; a provider whose settings have not changed is kept as it is."""
        providers: list[tuple[Provider, Timeouts]] = []
        if self._embedded is not None:
            providers.append((self._embedded, timeouts(settings.timeouts)))
        configured = {name: one for name, one in settings.providers.items() if one.enabled}
        ollama = ollama_candidate(self._environment, settings)
        if ollama is not None and await takes_connections(Origin.parse(ollama.base_url or "")):
            configured["ollama"] = ollama
        providers += self._configured(configured, settings)
        catalog = Catalog(
            providers,
            aliases=settings.aliases,
            default_model=settings.default_model,
            prices=prices(settings),
            limits={name: partial_timeouts(one.timeouts) for name, one in settings.models.items()},
            streams=streaming(settings),
            merged=settings.merges,
            caching=prefix_caching(settings, configured, self._prefixes),
        )
        catalog.by_prefix = settings.context_cache.by_prefix
        for provider in (one for one, _ in providers if _tells_its_models(configured.get(one.name))):
            catalog.learn(provider.name, await provider.list_models(), closed=True)
        return catalog

    def _configured(
        self, configured: Mapping[str, ProviderSettings], settings: Settings
    ) -> list[tuple[Provider, Timeouts]]:
        """Return what is configured, each with its time limits; what has not changed is what it was."""
        follows, known = settings.limits.follow_headers, self._remotes
        remotes = {
            name: known[name]
            if name in known and known[name][0] == one
            else (one, _provider(name, one, follows=follows))
            for name, one in configured.items()
        }
        self._remotes = remotes
        usual = timeouts(settings.timeouts)
        return [(remotes[name][1], partial_timeouts(one.timeouts).over(usual)) for name, one in configured.items()]

    async def change(self, settings: Settings, spawn: Spawn) -> Catalog:
        """Build the catalog of other settings; a provider that is no longer in it is closed once it serves no call.

        Args:
            settings: The new ones.
            spawn: Keeps the tasks that wait for the last calls.
        """
        before = self._providers()
        catalog = await self.catalog(settings)
        kept = self._providers()
        hand_keys_over(before, kept)
        for provider in (one for one in before if one not in kept):
            spawn(close_unused(provider, longest_s=MAX_TIMEOUT_S))
        return catalog

    async def aclose(self) -> None:
        """Close them all."""
        for provider in self._providers():
            await provider.aclose()
        if self._embedded is not None:
            await self._embedded.aclose()

    def _providers(self) -> list[Provider]:
        return [provider for _, provider in self._remotes.values()]


def _tells_its_models(settings: ProviderSettings | None) -> bool:
    """Tell whether a provider knows its models by itself, so that it need not be asked over the network."""
    return settings is None or bool(settings.models) or settings.kind == "scripted"


def _provider(name: str, settings: ProviderSettings, *, follows: bool) -> Provider:
    if settings.kind == "scripted":
        return ScriptedProvider(name, settings.script)
    vendor = VENDORS.get(name)
    kind = settings.kind or (vendor.kind if vendor else "openai")
    base_url = settings.base_url or (vendor.base_url if vendor else "")
    secrets = [key.get_secret_value() for key in settings.all_keys]
    remote = RemoteSettings(
        name=name,
        kind=kind,
        origin=Origin.parse(base_url, ca_file=settings.ca_file),
        api_key=secrets[0] if secrets else None,
        headers=settings.headers,
        models=settings.models,
        capabilities=vendor.capabilities if vendor else frozenset({"chat", "streaming"}),
        max_connections=settings.max_connections,
        pass_deadline=settings.pass_deadline,
        user_agent=f"narthex/{__version__}",
    )
    if len(secrets) > 1:
        return KeyedProvider(remote, _provider_keys(secrets, follows=follows))
    return RemoteProvider(remote, _provider_keys(secrets, follows=follows) if secrets else None)


def _provider_keys(secrets: Sequence[str], *, follows: bool) -> ProviderKeys:
    by_id = {KeyId(f"key-{number}"): secret for number, secret in enumerate(secrets, start=1)}
    return ProviderKeys(secrets=by_id, turns=KeyPool(by_id, KeyPolicy(sets_aside=len(secrets) > 1)), follows=follows)
