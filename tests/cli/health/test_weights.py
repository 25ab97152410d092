"""The embedded models' weights."""

from __future__ import annotations

from pathlib import Path

from narthex.cli.health.weights import weights
from narthex.config.settings import EmbeddedSettings, Settings


def test_missing_weights_are_a_remark(tmp_path: Path) -> None:
    """The server runs without them, and the command that fetches them is told."""
    found = list(weights(Settings(data_dir=tmp_path)))
    assert [(one.name, one.status) for one in found] == [
        ("Model local/smollm2", "warn"),
        ("Model local/minilm", "warn"),
    ]
    assert found[0].remedy == "narthex models install smollm2"


def test_damaged_weights_fail(tmp_path: Path) -> None:
    """A file that is not what it should be is told."""
    (tmp_path / "minilm.gguf").write_bytes(b"GGUF")
    settings = Settings(embedded=EmbeddedSettings(models_dir=tmp_path, chat_model=Path("/m/mine.gguf")))
    found = list(weights(settings))
    assert [one.status for one in found] == ["warn", "fail", "ok"]
    assert "/m/mine.gguf" in found[-1].detail


def test_without_embedded_models_there_are_no_weights() -> None:
    """What is switched off is not looked at."""
    (finding,) = weights(Settings(embedded=EmbeddedSettings(enabled=False)))
    assert finding.status == "ok"
