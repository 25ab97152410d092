"""The port, the providers and Ollama."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from narthex import __version__
from narthex.cli.health.findings import Finding, bad, good, poor
from narthex.config.discovery import ollama_candidate
from narthex.config.load import Loaded
from narthex.config.origins import Origin
from narthex.config.settings import ProviderSettings, ServerSettings, Settings
from narthex.types.vendors import VENDORS

TIMEOUT_S = 5.0
MOST_SKEW_S = 120
_MAX_BODY_BYTES = 4_194_304


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an address answered."""

    status: int
    body: bytes
    date: str | None


def ask(url: str, headers: Mapping[str, str], *, ca_file: Path | None = None) -> Reply:
    """Get a page; redirections are not followed, so that a key goes nowhere else.

    Raises:
        OSError: It cannot be reached, or its certificate is not to be trusted.
        http.client.HTTPException: What answers does not speak HTTP.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", parts.path or "/", headers={"user-agent": f"narthex/{__version__}", **headers})
        response = connection.getresponse()
        return Reply(status=response.status, body=response.read(_MAX_BODY_BYTES), date=response.headers["date"])
    finally:
        connection.close()


def port(server: ServerSettings) -> Finding:
    """Look whether the port is free, and if not, who listens there."""
    if server.port == 0:
        return good("Port", "a free one is taken at start")
    host = server.host.strip("[]")
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, server.port))
    except OSError as error:
        return _taken(server, error)
    return good("Port", f"{server.host}:{server.port} is free")


def _taken(server: ServerSettings, error: OSError) -> Finding:
    where = f"{server.host}:{server.port}"
    running = _running_version(server)
    if running is not None:
        return good("Port", f"{where} is served by Narthex {running} already")
    reason = (error.strerror or str(error)).lower()
    return bad("Port", f"{where} cannot be bound: {reason}", f"narthex serve --port {server.port % 65_535 + 1}")


def _running_version(server: ServerSettings) -> str | None:
    scheme = "https" if server.tls_cert else "http"
    host = f"[{server.host.strip('[]')}]" if ":" in server.host else server.host
    try:
        reply = ask(f"{scheme}://{host}:{server.port}/health", {}, ca_file=server.tls_cert)
        found: object = json.loads(reply.body)
    except (OSError, http.client.HTTPException, ValueError):
        return None
    return str(found["version"]) if isinstance(found, dict) and "version" in found else None


def providers(loaded: Loaded) -> Iterator[Finding]:
    """Ask each provider for its models, all at once, with the key that would be used."""
    asked = {
        name: provider
        for name, provider in loaded.settings.providers.items()
        if provider.enabled and provider.kind != "scripted" and provider.base_url
    }
    if not asked:
        yield _nobody(loaded.settings)
        return
    with ThreadPoolExecutor(max_workers=min(8, len(asked))) as pool:
        for findings in pool.map(lambda name: list(_provider(name, asked[name], loaded)), asked):
            yield from findings


def _nobody(settings: Settings) -> Finding:
    if any(provider.enabled for provider in settings.providers.values()):
        return good("Providers", "only scripted ones")
    if settings.embedded.enabled:
        return good("Providers", "none configured, and no key of a known vendor in the environment")
    return poor(
        "Providers", "none, and the embedded models are off", "export OPENAI_API_KEY=…, or add [providers.NAME]"
    )


def _provider(name: str, provider: ProviderSettings, loaded: Loaded) -> Iterator[Finding]:
    """Ask with each key of a provider; one that cannot be reached is asked once."""
    title = f"Provider {name}"
    assert provider.base_url is not None
    reply: Reply | None = None
    try:
        for option, key in _keys(provider):
            headers = _headers(provider, key)
            reply = ask(f"{provider.base_url.rstrip('/')}/models", headers, ca_file=provider.ca_file)
            origin = loaded.origin_of(f"providers.{name}.{option}") if key else None
            yield _judged(title if option == "api_key" else f"{title}, {option}", name, reply, origin)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
        yield poor(title, f"{provider.base_url} cannot be reached: {reason}", f"curl -v {provider.base_url}/models")
    if reply is not None:
        yield from _skew(title, reply)


def _keys(provider: ProviderSettings) -> list[tuple[str, SecretStr | None]]:
    """Return each key under its option; without any, a single none."""
    several: list[tuple[str, SecretStr | None]] = [
        (f"api_keys.{index}", key) for index, key in enumerate(provider.api_keys)
    ]
    return [("api_key", provider.api_key), *several] if provider.api_key or not several else several


def _headers(provider: ProviderSettings, secret: SecretStr | None) -> dict[str, str]:
    key = secret.get_secret_value() if secret else None
    if provider.kind == "anthropic":
        return {"anthropic-version": "2023-06-01"} | ({"x-api-key": key} if key else {}) | provider.headers
    return ({"authorization": f"Bearer {key}"} if key else {}) | provider.headers


def _judged(title: str, name: str, reply: Reply, origin: Origin | None) -> Finding:
    """Say what an answer means; `origin` is where the key came from that it was asked for with, if any."""
    match reply.status:
        case 200:
            return good(title, f"answers{_count(reply)}")
        case 401 | 403 if origin is None:
            return bad(title, "wants a key, and has none", f"set {_key_variable(name)}")
        case 401 | 403:
            return bad(title, f"refuses its key, which comes from: {origin}", "replace the key")
        case 404 | 405:
            return poor(title, "answers, but lists no models", f'name them: [providers.{name}] models = ["…"]')
        case _:
            return poor(title, f"answers with status {reply.status}", "see whether the vendor reports a disturbance")


def _key_variable(name: str) -> str:
    vendor = VENDORS.get(name)
    return vendor.key_variable if vendor and vendor.key_variable else f"api_key in [providers.{name}]"


def _count(reply: Reply) -> str:
    try:
        found: object = json.loads(reply.body)
    except ValueError:
        return ""
    data = found.get("data") if isinstance(found, dict) else None
    return f", {len(data)} models" if isinstance(data, list) else ""


def _skew(title: str, reply: Reply) -> Iterator[Finding]:
    """Compare the clocks: by a wrong one, signatures and certificates fail in strange ways."""
    try:
        there = parsedate_to_datetime(reply.date).timestamp() if reply.date else None
    except ValueError:
        there = None
    if there is not None and abs(there - time.time()) > MOST_SKEW_S:
        difference = round(time.time() - there)
        yield poor("Clock", f"{difference:+} s against {title.lower()}", "timedatectl set-ntp true")


def ollama(settings: Settings, environ: Mapping[str, str]) -> Finding:
    """Look whether an Ollama answers on this machine."""
    if "ollama" in settings.providers:
        return good("Ollama", "configured as a provider")
    candidate = ollama_candidate(environ, settings)
    if candidate is None or candidate.base_url is None:
        return good("Ollama", "not looked for")
    try:
        reply = ask(f"{candidate.base_url}/models", {})
    except (OSError, http.client.HTTPException):
        return _no_ollama(settings, candidate.base_url)
    return good("Ollama", f"answers at {candidate.base_url}{_count(reply)}")


def _no_ollama(settings: Settings, address: str) -> Finding:
    wanted = [target for target in (settings.default_model, *settings.aliases.values()) if target.startswith("ollama/")]
    if wanted:
        return poor("Ollama", f"{wanted[0]} is configured, but nothing answers at {address}", "ollama serve")
    return good("Ollama", "none on this machine")
