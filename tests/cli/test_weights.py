"""Weights where the settings say they are kept."""

from __future__ import annotations

from pathlib import Path

from narthex.cli.weights import INSTALLABLE, MODELS, models_dir, weights_state
from narthex.config.settings import EmbeddedSettings, Settings


def test_the_folder_follows_the_settings() -> None:
    """By default it lies in the data folder; a setting moves it."""
    assert models_dir(Settings(data_dir=Path("/data"))) == Path("/data/models")
    assert models_dir(Settings(embedded=EmbeddedSettings(models_dir=Path("/m")))) == Path("/m")


def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    """An empty folder holds no model, and neither does one that is not there."""
    assert {weights_state(name, Settings(data_dir=tmp_path / "none")) for name in INSTALLABLE} == {"missing"}


def test_a_chat_model_and_an_embedder_are_offered() -> None:
    """Those offered by default can be installed."""
    assert MODELS == ("smollm2", "minilm")
    assert set(MODELS) <= set(INSTALLABLE)
