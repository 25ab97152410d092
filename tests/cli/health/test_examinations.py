"""All examinations together."""

from __future__ import annotations

from pathlib import Path

from narthex.cli.health.examinations import examine

QUIET = {"NARTHEX_DISCOVERY__OLLAMA": "false", "NARTHEX_SERVER__PORT": "0"}


def names(home: Path, *, is_offline: bool = False, **environ: str) -> list[str]:
    """Return the names of what is looked at."""
    return [
        one.name for one in examine(file=None, environ={"HOME": str(home), **QUIET, **environ}, is_offline=is_offline)
    ]


def test_everything_is_looked_at(home: Path) -> None:
    """The order is from the machine to the network."""
    assert names(home) == [
        "Python", "Packages", "Processor", "Open files", "Clock", "Configuration", "API keys", "Data folder", "Disk",
        "Port", "Model local/smollm2", "Model local/minilm", "Providers", "Ollama",
    ]  # fmt: skip


def test_offline_nobody_is_asked(home: Path) -> None:
    """Nothing leaves the machine."""
    assert not {"Providers", "Ollama"} & set(names(home, is_offline=True))


def test_a_broken_configuration_ends_it(home: Path) -> None:
    """What follows from the configuration is not guessed."""
    assert names(home, NARTHEX_LOG__LEVEL="x")[-1] == "Configuration"
