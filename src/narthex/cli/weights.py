"""The weights of the embedded models, as the command line sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Literal, Protocol, cast

from narthex.config.settings import Settings

MODELS = ("smollm2", "minilm")
"""The embedded chat model and the embedded embedding model."""

WeightsState = Literal["ok", "missing", "damaged"]
"""Whether a model's file is there and has the right hash."""


class _Installer(Protocol):
    def install(self, names: Sequence[str], models_dir: Path, on_progress: Callable[[str], None]) -> None: ...

    def state_of(self, name: str, models_dir: Path) -> WeightsState: ...


def _installer() -> _Installer:
    return cast("_Installer", import_module("narthex.providers.embedded.install"))


def models_dir(settings: Settings) -> Path:
    """Return the folder where weights are kept."""
    return settings.embedded.models_dir or settings.data_dir / "models"


def state_of(name: str, settings: Settings) -> WeightsState:
    """Look at a model's file, and compute its hash."""
    return _installer().state_of(name, models_dir(settings))


def install_weights(names: Sequence[str], settings: Settings, *, on_progress: Callable[[str], None]) -> None:
    """Fetch weights into the models folder.

    Raises:
        NarthexError: They cannot be fetched, or are not what they should be.
    """
    _installer().install(names, models_dir(settings), on_progress)
