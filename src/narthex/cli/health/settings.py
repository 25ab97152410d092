"""The configuration, and the variables beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from narthex.cli.health.findings import Finding, bad, good, poor
from narthex.config.load import Loaded, load
from narthex.config.settings import ProviderSettings
from narthex.errors import ConfigError
from narthex.providers.scripted.options import read_options


def configuration(file: Path | None, environ: Mapping[str, str]) -> tuple[Loaded | None, list[Finding]]:
    """Load the configuration; every fault is a finding of its own."""
    try:
        loaded = load(file=file, environ=environ)
    except ConfigError as error:
        mend = "mend that line, then: narthex config check"
        return None, [bad("Configuration", problem, mend) for problem in error.problems]
    problems = script_problems(loaded)
    if problems:
        return loaded, [
            bad("Configuration", problem, "mend that option, then: narthex config check") for problem in problems
        ]
    where = str(loaded.file) if loaded.file else "no file; the defaults"
    return loaded, [good("Configuration", where), *_warnings(loaded)]


def script_problems(loaded: Loaded) -> tuple[str, ...]:
    """Return what is wrong with the scripts of scripted providers, whose options only those providers know."""
    problems: list[str] = []
    for name, provider in loaded.settings.providers.items():
        if provider.kind == "scripted":
            for problem in _problems_of(name, provider):
                origin = loaded.origin_of(problem.partition(":")[0])
                problems.append(f"{origin.where} {problem}".strip())
    return tuple(problems)


def _problems_of(name: str, provider: ProviderSettings) -> tuple[str, ...]:
    try:
        read_options(name, provider.script)
    except ConfigError as error:
        return error.problems
    return ()


def _warnings(loaded: Loaded) -> Iterator[Finding]:
    for warning in loaded.warnings:
        subject, _, message = warning.partition(": ")
        if subject.startswith("NARTHEX_"):
            yield poor("Environment", warning, f"unset {subject}, or correct its name")
        else:
            yield poor("Configuration", f"{subject}: {message}", "narthex config show --origin")


def access(loaded: Loaded) -> Finding:
    """Say who gets in."""
    settings = loaded.settings
    if settings.keys:
        return good("API keys", f"{len(settings.keys)} configured")
    return good("API keys", f"none, so only this machine gets in, at {settings.server.host}")
