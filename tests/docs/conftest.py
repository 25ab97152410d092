"""A server that speaks for the one in the pages, and a place to run their blocks in."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from narthex import Client
from narthex.config.settings import Settings
from tests.docs.blocks import ADDRESS
from tests.gateways import running

MODELS = Settings().data_dir.expanduser() / "models"
"""Where `make test` has put the weights."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block is run."""

    address: str
    folder: Path

    def placed(self, text: str) -> str:
        """Return `text` with the address of the server of this test in place of the one in the pages."""
        return text.replace(ADDRESS, self.address)

    def environment(self) -> dict[str, str]:
        """Return the environment of a reader who has started the server and activated its environment."""
        kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        return kept | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "NARTHEX_URL": self.address,
            "NARTHEX_DATA_DIR": str(self.folder / "data"),
            "NARTHEX_EMBEDDED__MODELS_DIR": str(MODELS),
            "NARTHEX_DISCOVERY__OLLAMA": "false",
        }


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with the embedded models, as `narthex serve` would be without configuration.

    But for a smaller window: now and then the small model goes on until that is full.
    """
    folder = tmp_path_factory.mktemp("data")
    with running(folder, embedded={"enabled": True, "models_dir": MODELS, "context_tokens": 512}) as gateway:
        yield gateway.url


@pytest.fixture
def place(address: str, tmp_path: Path) -> Place:
    """A place to run a block in; without the embedded models there is nothing to ask."""
    with Client(address) as client:
        embedded = client.status().embedded
    if embedded is None or not embedded.installed:
        pytest.skip("the embedded models are not installed: run `narthex models install smollm2 minilm`")
    return Place(address, tmp_path)
