"""All examinations, in the order in which their findings help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from narthex.cli.health import folders, machine, network
from narthex.cli.health.certificates import certificates
from narthex.cli.health.findings import Finding
from narthex.cli.health.questions import questions
from narthex.cli.health.settings import access, configuration
from narthex.cli.health.weights import weights


def examine(*, file: Path | None, environ: Mapping[str, str], is_offline: bool) -> Iterator[Finding]:
    """Yield what is found, as it is found.

    Args:
        file: The configuration file; None looks for one.
        environ: The environment.
        is_offline: Leave out what asks other machines.
    """
    yield machine.python()
    yield from machine.packages()
    yield machine.processor()
    yield machine.open_files()
    yield machine.clock()
    loaded, findings = configuration(file, environ)
    yield from findings
    if loaded is None:  # all that follows is about what is configured
        return
    yield access(loaded)
    yield from folders.data_folder(loaded.settings.data_dir)
    yield from certificates(loaded.settings.server)
    yield network.port(loaded.settings.server)
    yield from weights(loaded.settings)
    if not is_offline:
        yield from network.providers(loaded)
        yield network.ollama(loaded.settings, environ)
        yield from questions(loaded.settings)
