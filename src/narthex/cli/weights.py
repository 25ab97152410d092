"""The weights of the embedded models, where the settings say they are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from narthex.config.settings import Settings
from narthex.providers.embedded.install import State, install, state_of
from narthex.providers.embedded.weights import WEIGHTS

INSTALLABLE = tuple(WEIGHTS)
"""Every packaged model by name."""
MODELS = tuple(name for name, weights in WEIGHTS.items() if weights.is_default)
"""Those that are offered without being asked for: a chat model and an embedder."""


def models_dir(settings: Settings) -> Path:
    """Return the folder where weights are kept."""
    return settings.embedded.models_dir or settings.data_dir / "models"


def weights_state(name: str, settings: Settings) -> State:
    """Look at a model's file, all of it."""
    return state_of(name, models_dir(settings))


def install_weights(names: Sequence[str], settings: Settings, *, on_progress: Callable[[str], None]) -> None:
    """Fetch weights into the models folder.

    Raises:
        ModelUnavailable: They cannot be fetched, or are not what they should be.
    """
    install(names, models_dir(settings), on_progress)
