"""A server that speaks for the one in the pages, and a place to run their blocks in."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from narthex import Client
from narthex.config.settings import Settings
from tests.docs.blocks import ADDRESS
from tests.gateways import running
from tests.proof.waiting import until

MODELS = Settings().data_dir.expanduser() / "models"
"""Where `make test` has put the weights."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block is run."""

    address: str
    data: Path
    """What the server keeps."""
    folder: Path

    def placed(self, text: str) -> str:
        """Return `text` with the server of this test in place of the one in the pages: its address, and its data."""
        return text.replace(ADDRESS, self.address).replace("~/.local/share/narthex", str(self.data))

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
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server with the embedded models, as `narthex serve` would be without configuration, that was asked something.

    But for a smaller window: now and then the small model goes on until that is full.
    """
    folder = tmp_path_factory.mktemp("data")
    with (
        running(folder, embedded={"enabled": True, "models_dir": MODELS, "context_tokens": 512}) as gateway,
        Client(gateway.url) as client,
    ):
        embedded = client.status().embedded
        if embedded is None or not embedded.installed:
            pytest.skip("the embedded models are not installed: run `narthex models install smollm2 minilm`")
        client.embed("Hello.", model="local/minilm")
        until((folder / "logs" / "requests.jsonl").exists)
        yield Place(gateway.url, folder, folder)


@pytest.fixture
def place(server: Place, tmp_path: Path) -> Place:
    """A place to run a block in; without the embedded models there is nothing to ask."""
    return replace(server, folder=tmp_path)
