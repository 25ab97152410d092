"""Contradictions: settings that are each well formed and cannot hold together."""

from __future__ import annotations

import importlib.util
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from narthex.config.addresses import is_loopback, why_not_base_url, why_not_origin
from narthex.config.answers import check_answers
from narthex.config.audit_settings import why_not_secrets
from narthex.config.cap_settings import cap_problems
from narthex.config.compression_settings import compression_problems
from narthex.config.database_settings import is_postgresql, why_not_database
from narthex.config.http_cache_settings import http_cache_problems
from narthex.config.merge_settings import meant, merge_problems
from narthex.config.origins import KeyPath
from narthex.config.prices import price_problems
from narthex.config.problems import did_you_mean
from narthex.config.response_settings import response_problems
from narthex.config.rules import rule_problems
from narthex.config.settings import ProviderSettings, Settings
from narthex.config.sign_in_settings import sign_in_problems
from narthex.config.stores import why_not_redis
from narthex.config.time_limits import too_long
from narthex.config.virtual_models import virtual_models
from narthex.routing.virtual import EVERY, check
from narthex.types.merging import MERGE_PREFIX
from narthex.types.vendors import VENDORS

EMBEDDED = "local"
"""The provider name of the model inside."""
RESERVED: Mapping[str, str] = {EMBEDDED: "the model inside", "narthex": "answers that no model gave"}
"""Names that no provider may have, and why."""
MIN_KEY_CHARACTERS = 16

_NOT_FOR_HEADERS = "holds characters that an HTTP header cannot carry; use letters, digits and punctuation of ASCII"
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """One thing that cannot hold."""

    path: KeyPath
    """Where it is best mended."""
    message: str
    depends: tuple[KeyPath, ...] = ()
    """What else it was concluded from; if one of these is faulty itself, the conclusion is void."""


def contradictions(settings: Settings) -> Iterator[Contradiction]:
    """Yield everything in well-formed settings that cannot hold; looks at files and folders, changes nothing."""
    yield from _server(settings)
    yield from _keys(settings)
    for name, provider in settings.providers.items():
        yield from _provider(name, provider)
    yield from _aliases(settings)
    yield from _default_model(settings)
    yield from _routing(settings)
    yield from _answers(settings)
    yield from _pauses(settings)
    yield from _hedging(settings)
    yield from _models(settings)
    yield from _sections(settings)
    caps = cap_problems(settings.caps, keys=[key.name for key in settings.keys])
    for place, told in (*caps, *sign_in_problems(settings.sign_in)):
        yield Contradiction(path=place, message=told)
    for path, message, depends in too_long(settings):
        yield Contradiction(path=path, message=message, depends=depends)
    yield from _files(settings)


def _sections(settings: Settings) -> Iterator[Contradiction]:
    """Yield what does not hold within one section."""
    problems = {
        "responses": response_problems(settings.responses),
        "compression": compression_problems(settings.compression),
        "redis": why_not_redis(settings.redis),
        "database": why_not_database(settings.database),
        "secrets": why_not_secrets(settings.secrets),
    }
    for section, found in problems.items():
        for option, message in found:
            yield Contradiction(path=(section, option), message=message)
    yield from _semantic(settings)
    for place, message in http_cache_problems(settings.http_cache):
        yield Contradiction(path=("http_cache", *place), message=message)


def _semantic(settings: Settings) -> Iterator[Contradiction]:
    """Yield what keeps questions from being held against each other by their meaning."""
    semantic, here = settings.cache.semantic, ("cache", "semantic")
    if not semantic.enabled:
        return
    if importlib.util.find_spec("numpy") is None:
        message = "needs numpy: `pip install 'narthex[semantic]'`, or set it to false"
        yield Contradiction(path=(*here, "enabled"), message=message)
    if semantic.index == "postgresql" and not is_postgresql(settings.database.url):
        message = 'needs a PostgreSQL in `database.url`; name one, or set it to "auto"'
        yield Contradiction(path=(*here, "index"), message=message, depends=(("database", "url"),))
    yield from _target((*here, "embedding_model"), semantic.embedding_model, settings)
    if semantic.judge_model is not None:
        yield from _target((*here, "judge_model"), semantic.judge_model, settings)


def _server(settings: Settings) -> Iterator[Contradiction]:
    server = settings.server
    for given, lacking in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
        if getattr(server, given) and not getattr(server, lacking):
            yield Contradiction(
                path=("server", given),
                message=f"needs `{lacking}` beside it; add that, or remove this",
                depends=(("server", lacking),),
            )
    if not is_loopback(server.host) and not settings.keys:
        yield Contradiction(
            path=("server", "host"),
            message="an address that others can reach demands API keys; "
            'set NARTHEX_API_KEYS or add [[keys]], or bind "127.0.0.1"',
            depends=(("keys",),),
        )
    for index, origin in enumerate(server.cors_origins):
        reason = why_not_origin(origin)
        if reason:
            yield Contradiction(path=("server", "cors_origins", index), message=reason)


def _keys(settings: Settings) -> Iterator[Contradiction]:
    names: dict[str, int] = {}
    values: dict[str, int] = {}
    for index, key in enumerate(settings.keys):
        value = key.key.get_secret_value()
        if len(value) < MIN_KEY_CHARACTERS:
            message = f"shorter than {MIN_KEY_CHARACTERS} characters; make one with `openssl rand -hex 24`"
            yield Contradiction(path=("keys", index, "key"), message=message)
        elif not value.isascii() or not value.isprintable() or " " in value:
            yield Contradiction(path=("keys", index, "key"), message=_NOT_FOR_HEADERS)
        if values.setdefault(value, index) != index:
            message = f'the same key as "{settings.keys[values[value]].name}"; give each name its own'
            yield Contradiction(path=("keys", index, "key"), message=message)
        if names.setdefault(key.name, index) != index:
            yield Contradiction(path=("keys", index, "name"), message=f'a second key named "{key.name}"; rename one')


def _provider(name: str, provider: ProviderSettings) -> Iterator[Contradiction]:
    path: KeyPath = ("providers", name)
    if name in RESERVED:
        yield Contradiction(path=path, message=f'the name "{name}" is kept for {RESERVED[name]}; choose another')
    if provider.kind == "scripted":
        yield from _scripted(path, provider)
    else:
        yield from _reachable(name, path, provider)
    yield from _provider_keys(path, provider)
    for header, value in provider.headers.items():
        if not _HEADER_NAME.fullmatch(header):
            yield Contradiction(path=(*path, "headers", header), message="not a header name; use letters, digits and -")
        if not value.isprintable():
            yield Contradiction(
                path=(*path, "headers", header), message="its value holds control characters; remove them"
            )


def _provider_keys(path: KeyPath, provider: ProviderSettings) -> Iterator[Contradiction]:
    """The keys of `api_keys`, each at its place in the list; `api_key` is only compared with them."""
    seen = {provider.api_key.get_secret_value(): "`api_key`"} if provider.api_key is not None else {}
    for index, key in enumerate(provider.api_keys):
        value, place = key.get_secret_value(), (*path, "api_keys", index)
        if not value:
            yield Contradiction(path=place, message="is empty; give it a value, or take it out of the list")
        elif not value.isascii() or not value.isprintable() or " " in value:
            yield Contradiction(path=place, message=_NOT_FOR_HEADERS)
        elif value in seen:
            message = f"the same key as {seen[value]}; take it out of the list"
            yield Contradiction(path=place, message=message, depends=((*path, "api_key"),))
        seen.setdefault(value, f"`api_keys.{index}`")


def _scripted(path: KeyPath, provider: ProviderSettings) -> Iterator[Contradiction]:
    for option in ("base_url", "api_key", "api_keys"):
        if getattr(provider, option) not in {None, ()}:
            message = "a scripted provider calls nobody; remove this, or the `kind`"
            yield Contradiction(path=(*path, option), message=message, depends=((*path, "kind"),))


def _reachable(name: str, path: KeyPath, provider: ProviderSettings) -> Iterator[Contradiction]:
    vendor = VENDORS.get(name)
    hint = did_you_mean(name, VENDORS)
    if provider.kind is None and vendor is None:
        message = f'not a known vendor, so `kind` is needed: "openai", "anthropic" or "scripted"{hint}'
        yield Contradiction(path=path, message=message, depends=((*path, "kind"),))
    if provider.base_url is None and vendor is None and provider.kind is not None:
        message = f"not a known vendor, so `base_url` is needed, such as `http://127.0.0.1:8000/v1`{hint}"
        yield Contradiction(path=path, message=message, depends=((*path, "base_url"),))
    if provider.base_url is None and vendor and provider.kind not in {None, vendor.kind}:
        message = f'{vendor.title} speaks "{vendor.kind}" at its own address; remove `kind`, or add `base_url`'
        yield Contradiction(path=(*path, "kind"), message=message, depends=((*path, "base_url"),))
    reason = why_not_base_url(provider.base_url) if provider.base_url is not None else None
    if reason:
        yield Contradiction(path=(*path, "base_url"), message=reason)
    if provider.script:
        message = 'only a provider of `kind = "scripted"` has a script; remove it, or add the kind'
        yield Contradiction(path=(*path, "script"), message=message, depends=((*path, "kind"),))


def _aliases(settings: Settings) -> Iterator[Contradiction]:
    reported: set[str] = set()
    for name, target in settings.aliases.items():
        path: KeyPath = ("aliases", name)
        if name in _provider_names(settings):
            yield Contradiction(path=path, message="shadows the provider of that name; choose another")
        loop = _loop(name, settings.aliases)
        if name in reported:
            continue
        if loop:
            reported.update(loop)
            message = f"leads back to itself ({' → '.join(loop)}); end it at `provider/model`"
            yield Contradiction(path=path, message=message, depends=tuple(("aliases", step) for step in loop))
            continue
        yield from _target(path, target, settings, merges=True)


def _loop(name: str, aliases: Mapping[str, str]) -> tuple[str, ...]:
    """Return the way from an alias back to itself; empty if it ends somewhere, or in somebody else's loop."""
    way = [name]
    while (following := aliases.get(way[-1])) is not None and following not in way[1:]:
        way.append(following)
        if following == name:
            return tuple(way)
    return ()


def _target(path: KeyPath, target: str, settings: Settings, *, merges: bool = False) -> Iterator[Contradiction]:
    several = meant(target, settings.aliases)
    if several in settings.merges or several.startswith(MERGE_PREFIX):
        if several not in settings.merges:
            message = f'"{target}" lists several models; give them a name in [merges], and write that'
            yield Contradiction(path=path, message=message)
        elif not merges:
            message = f'"{target}" stands for several models at once; only one can serve here'
            yield Contradiction(path=path, message=message, depends=(("merges", several),))
        return
    provider, separator, model = target.partition("/")
    if not separator:
        if target not in settings.aliases and target not in settings.virtual:
            message = f'"{target}" is no alias; write `provider/model`{did_you_mean(target, settings.aliases)}'
            yield Contradiction(path=path, message=message, depends=(("aliases", target),))
        return
    if not provider or not model:
        yield Contradiction(path=path, message=f'"{target}" lacks a part; write `provider/model`')
        return
    reason = _why_no_provider(provider, settings)
    if reason:
        depends: tuple[KeyPath, ...] = (("providers", provider), ("embedded", "enabled"), ("discovery",))
        yield Contradiction(path=path, message=reason, depends=depends)


def _why_no_provider(name: str, settings: Settings) -> str | None:
    configured = settings.providers.get(name)
    if configured is not None:
        return None if configured.enabled else f'the provider "{name}" has `enabled = false`; switch it on'
    if name == EMBEDDED:
        return None if settings.embedded.enabled else "`embedded.enabled` is false; switch it on"
    if name == "ollama" and settings.discovery.ollama:
        return None
    vendor = VENDORS.get(name)
    if vendor is None:
        known = did_you_mean(name, _provider_names(settings), otherwise=f"; add [providers.{name}]")
        return f'there is no provider "{name}"{known}'
    key = f"set {vendor.key_variable}, or " if vendor.key_variable and settings.discovery.environment else ""
    return f'the provider "{name}" is not set up; {key}add [providers.{name}]'


def _provider_names(settings: Settings) -> set[str]:
    return {EMBEDDED, *settings.providers} | ({"ollama"} if settings.discovery.ollama else set())


def _default_model(settings: Settings) -> Iterator[Contradiction]:
    # The default of the default needs no embedded model: without one, a call must name its model.
    if settings.default_model != Settings.model_fields["default_model"].default:
        yield from _target(("default_model",), settings.default_model, settings, merges=True)


def _routing(settings: Settings) -> Iterator[Contradiction]:
    names = {*_provider_names(settings), *settings.aliases}
    for name in [one for one in settings.virtual if one in names]:
        message = "a provider or an alias has that name; choose another"
        yield Contradiction(path=("virtual", name), message=message)

    def unknown(name: str) -> str | None:
        found = next(_target((), name, settings), None)
        return None if found is None else found.message

    for name in settings.fallbacks:
        if EVERY in name and name != EVERY:
            message = f'patterns are not understood; name each model, or write "{EVERY}" for all without a list'
            yield Contradiction(path=("fallbacks", name), message=message)
    depends: tuple[KeyPath, ...] = (("providers",), ("aliases",), ("embedded", "enabled"), ("discovery",))
    canonical = partial(meant, aliases=settings.aliases)
    problems = check(virtual_models(settings), settings.fallbacks, unknown=unknown, canonical=canonical)
    for path, message in (
        *problems,
        *rule_problems(settings, unknown=unknown),
        *price_problems(settings, unknown=unknown),
        *_merges(settings, names, unknown),
    ):
        yield Contradiction(path=path, message=message, depends=depends)


def _merges(settings: Settings, names: set[str], unknown: Callable[[str], str | None]) -> Iterator[tuple[KeyPath, str]]:
    def why_unknown(name: str) -> str | None:
        return None if name in settings.virtual else unknown(name)

    return merge_problems(settings.merges, taken={*names, *settings.virtual}, unknown=why_unknown)


def _answers(settings: Settings) -> Iterator[Contradiction]:
    def unknown(name: str) -> str | None:
        found = None if name in settings.virtual else next(_target((), name, settings, merges=True), None)
        return None if found is None else found.message

    depends: tuple[KeyPath, ...] = (("providers",), ("aliases",), ("virtual",), ("embedded", "enabled"), ("discovery",))
    for path, message in check_answers(settings.answers, unknown=unknown):
        yield Contradiction(path=path, message=message, depends=depends)


def _pauses(settings: Settings) -> Iterator[Contradiction]:
    for section, least, most in (("retries", "base_s", "cap_s"), ("breakers", "open_s", "open_cap_s")):
        values = getattr(settings, section)
        if getattr(values, least) > getattr(values, most):
            message = f"longer than `{most}`, {getattr(values, most):g} s; raise that, or lower this"
            yield Contradiction(path=(section, least), message=message, depends=((section, most),))


def _hedging(settings: Settings) -> Iterator[Contradiction]:
    hedging, first_token_s = settings.hedging, settings.timeouts.first_token_s
    if not hedging.enabled:
        return
    if not settings.fallbacks and not settings.virtual:
        message = "there is nobody to ask beside a late model; add `fallbacks` or a virtual model, or remove this"
        yield Contradiction(path=("hedging", "enabled"), message=message, depends=(("fallbacks",), ("virtual",)))
    if hedging.least_s >= first_token_s:
        message = f"no less than `timeouts.first_token_s`, {first_token_s:g} s, when a call fails; lower this"
        yield Contradiction(path=("hedging", "least_s"), message=message, depends=(("timeouts", "first_token_s"),))


def _models(settings: Settings) -> Iterator[Contradiction]:
    for name in settings.models:
        path: KeyPath = ("models", name)
        if EVERY in name:
            message = "patterns are not understood; name each model, or set it for the provider"
            yield Contradiction(path=path, message=message)
        elif name in settings.aliases:
            message = f'is an alias; name what it stands for, "{meant(name, settings.aliases)}"'
            yield Contradiction(path=path, message=message, depends=(("aliases", name),))
        elif name not in settings.virtual:
            yield from _target(path, name, settings)
        elif settings.models[name].streams is not None:
            message = "is a virtual model; set `streams` for its members, or remove this"
            yield Contradiction(path=(*path, "streams"), message=message, depends=(("virtual", name),))


def _files(settings: Settings) -> Iterator[Contradiction]:
    named: list[tuple[KeyPath, Path | None]] = [
        (("server", "tls_cert"), settings.server.tls_cert),
        (("server", "tls_key"), settings.server.tls_key),
        (("embedded", "chat_model"), settings.embedded.chat_model),
    ]
    named += [(("providers", name, "ca_file"), provider.ca_file) for name, provider in settings.providers.items()]
    for path, file in named:
        reason = _why_no_file(file) if file else None
        if reason:
            yield Contradiction(path=path, message=f"the file {file} {reason}")
    folders: list[tuple[KeyPath, Path | None]] = [
        (("data_dir",), settings.data_dir),
        (("embedded", "models_dir"), settings.embedded.models_dir),
        (("audit", "checkpoint_dir"), settings.audit.checkpoint_dir),
    ]
    for path, folder in folders:
        why = _why_no_folder(folder, is_written=path == ("data_dir",)) if folder else None
        if why:
            yield Contradiction(path=path, message=f"the folder {folder} {why}")


def _why_no_file(file: Path) -> str | None:
    try:
        mode = file.stat().st_mode
    except OSError as error:
        return f"cannot be read: {(error.strerror or 'no such file').lower()}; mend the path"
    if stat.S_ISDIR(mode):
        return "is a folder; name the file in it"
    return None if os.access(file, os.R_OK) else "may not be read; change its permissions"


def _why_no_folder(folder: Path, *, is_written: bool) -> str | None:
    """A folder that is missing will be made, in the nearest one that is there."""
    there = next((place for place in (folder, *folder.parents) if place.exists()), None)
    if there is None or not there.is_dir():
        return f"cannot be made: {there or folder} is a file; name another"
    needed = os.R_OK | os.X_OK | (os.W_OK if is_written or there != folder else 0)
    return None if os.access(there, needed) else f"cannot be used: no permission in {there}; name another"
