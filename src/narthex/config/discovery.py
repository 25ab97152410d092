"""Providers found without being configured: keys in the environment, an Ollama on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr

from narthex.config.addresses import is_loopback
from narthex.config.origins import KeyPath
from narthex.config.settings import ProviderSettings, Settings
from narthex.types.vendors import VENDORS, Vendor

OLLAMA = "ollama"
_OLLAMA_PORT = 11_434


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What the environment adds to the settings."""

    providers: Mapping[str, ProviderSettings]
    """By name: those found, and those configured in which something was filled in."""
    variables: Mapping[KeyPath, str]
    """The variable behind each provider found (`("providers", "groq")`) and each option filled in."""
    warnings: tuple[str, ...]


def discover(environ: Mapping[str, str], settings: Settings) -> dict[str, ProviderSettings]:
    """Return the providers whose keys or addresses stand in the environment, by vendor name.

    Configured names are left alone, and nothing is found if `discovery.environment` is off. Nothing is asked over the
    network: see `ollama_candidate` for the one that must be.
    """
    found = survey(environ, settings).providers
    return {name: provider for name, provider in found.items() if name not in settings.providers}


def survey(environ: Mapping[str, str], settings: Settings) -> Discovery:
    """Do as `discover` does, fill in configured vendors too, and tell what was used and what was not for a reason.

    A vendor configured without an address gets the vendor's own, and the vendor's key from the environment. With an
    address it gets no key: nobody's key goes anywhere but to its vendor unless the configuration says so.
    """
    survey_ = _Survey(environ, settings)
    for name, provider in settings.providers.items():
        survey_.fill_in(name, provider)
    if settings.discovery.environment:
        for vendor in VENDORS.values():
            survey_.find(vendor)
    return Discovery(providers=survey_.providers, variables=survey_.variables, warnings=tuple(survey_.warnings))


class _Survey:
    """Collects what one look at the environment finds."""

    def __init__(self, environ: Mapping[str, str], settings: Settings) -> None:
        self._settings = settings
        self._environ = environ if settings.discovery.environment else {}
        self.providers: dict[str, ProviderSettings] = {}
        self.variables: dict[KeyPath, str] = {}
        self.warnings: list[str] = []

    def fill_in(self, name: str, provider: ProviderSettings) -> None:
        vendor = VENDORS.get(name)
        if vendor is None:
            return
        update: dict[str, object] = {"kind": provider.kind or vendor.kind}
        if provider.base_url is None and provider.kind in {None, vendor.kind}:
            update |= self._address(vendor) | self._key(vendor, provider)
        self.providers[name] = provider.model_copy(update=update)

    def _address(self, vendor: Vendor) -> dict[str, object]:
        address = self._usable_address(vendor)
        if address and vendor.base_url_variable:
            self.variables["providers", vendor.name, "base_url"] = vendor.base_url_variable
        return {"base_url": address or vendor.base_url}

    def _key(self, vendor: Vendor, provider: ProviderSettings) -> dict[str, object]:
        variable = key_variable_of(vendor, self._environ)
        if variable is None or provider.all_keys:
            return {}
        self.variables["providers", vendor.name, "api_key"] = variable
        return {"api_key": SecretStr(self._environ[variable].strip())}

    def find(self, vendor: Vendor) -> None:
        if vendor.name in self._settings.providers:
            return
        address, given = self._usable_address(vendor), base_url_of(vendor, self._environ)
        if given and not address:  # the key beside it is most likely ours as well
            return
        variable = key_variable_of(vendor, self._environ) or (vendor.base_url_variable if address else None)
        if variable:
            key = self._environ[variable].strip() if variable in vendor.key_variables else None
            self.variables["providers", vendor.name] = variable
            self.providers[vendor.name] = ProviderSettings(
                kind=vendor.kind, base_url=address or vendor.base_url, api_key=SecretStr(key) if key else None
            )

    def _usable_address(self, vendor: Vendor) -> str | None:
        address = base_url_of(vendor, self._environ)
        if address and is_own_address(address, self._settings):
            self.warnings.append(f"{vendor.base_url_variable}: leads to this server itself; not used for {vendor.name}")
            return None
        return address


def key_variable_of(vendor: Vendor, environ: Mapping[str, str]) -> str | None:
    """Return the variable that holds the vendor's key; None if none does."""
    return next((name for name in vendor.key_variables if environ.get(name, "").strip()), None)


def base_url_of(vendor: Vendor, environ: Mapping[str, str]) -> str | None:
    """Return the address that the environment gives for the vendor's SDK; None if it gives none."""
    address = environ.get(vendor.base_url_variable or "", "").strip().rstrip("/")
    if not address or urlsplit(address).scheme not in {"http", "https"}:
        return None
    # The Anthropic SDKs append `/v1/messages` to theirs, the OpenAI ones `/chat/completions`.
    return f"{address}/v1" if vendor.kind == "anthropic" and not address.endswith("/v1") else address


def is_own_address(address: str, settings: Settings) -> bool:
    """Tell whether an address leads back to this server, where calls would go round and round."""
    try:
        parts = urlsplit(address)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return False
    host = parts.hostname or ""
    return port == settings.server.port and (is_loopback(host) or host == settings.server.host)


def ollama_candidate(environ: Mapping[str, str], settings: Settings) -> ProviderSettings | None:
    """Return where an Ollama of this machine would be; the caller asks whether it answers.

    None if `discovery.ollama` is off or a provider of that name is configured. `OLLAMA_HOST` is read as Ollama
    does: https://docs.ollama.com/faq#how-do-i-configure-ollama-server.
    """
    if not settings.discovery.ollama or OLLAMA in settings.providers:
        return None
    address = ollama_address(environ.get("OLLAMA_HOST", ""))
    if address is None or is_own_address(address, settings):
        return None
    return ProviderSettings(kind=VENDORS[OLLAMA].kind, base_url=address)


def ollama_address(host: str) -> str | None:
    """Return the base URL that an `OLLAMA_HOST` means; None if it means nothing."""
    text = host.strip().strip("\"'")
    if not text:
        return VENDORS[OLLAMA].base_url
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        port = parts.port
    except ValueError:
        return None
    standard_ports = {"": _OLLAMA_PORT, "http": 80, "https": 443}
    if parts.scheme not in standard_ports:
        return None
    host = _reachable(parts.hostname or "")
    return f"{parts.scheme or 'http'}://{host}:{port or standard_ports[parts.scheme]}{parts.path.rstrip('/')}/v1"


def _reachable(host: str) -> str:
    """Turn an address to bind into one to call."""
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104 - recognised, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
