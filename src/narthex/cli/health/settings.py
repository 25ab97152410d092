"""The configuration, and the variables beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from narthex.cli.health.findings import Finding, bad, good, poor
from narthex.config.load import Loaded, load
from narthex.errors import ConfigError


def configuration(file: Path | None, environ: Mapping[str, str]) -> tuple[Loaded | None, list[Finding]]:
    """Load the configuration; every fault is a finding of its own."""
    try:
        loaded = load(file=file, environ=environ)
    except ConfigError as error:
        mend = "mend that line, then: narthex config check"
        return None, [bad("Configuration", problem, mend) for problem in error.problems]
    where = str(loaded.file) if loaded.file else "no file; the defaults"
    return loaded, [good("Configuration", where), *_warnings(loaded)]


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
