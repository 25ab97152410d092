"""The examples work as they stand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from narthex.config.load import load
from tests.docs.conftest import Place

EXAMPLES = Path("examples").resolve()


def _run(place: Place, *arguments: str, typed: str = "") -> str:
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=place.folder,
        env=place.environment(),
        input=typed,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_configuration_is_whole() -> None:
    """The example configuration is accepted, and its keys come from the environment."""
    keys = {name: f"sk-example-{name.lower()}" for name in ("WEB_TEAM_KEY", "BATCH_KEY", "ANTHROPIC_API_KEY")}
    loaded = load(file=EXAMPLES / "narthex.toml", environ={"HOME": "/nowhere", **keys})
    assert [key.name for key in loaded.settings.keys] == ["web-team", "nightly-batch"]
    assert loaded.settings.default_model == "fast"


@pytest.mark.embedded
@pytest.mark.timeout(180)
def test_the_conversation_takes_turns(place: Place) -> None:
    """Each line typed is answered, and an empty one ends the program."""
    output = _run(place, str(EXAMPLES / "chat.py"), typed="Say hello.\n\n")
    assert output.startswith("> ")
    assert output.count("> ") >= 2


@pytest.mark.embedded
@pytest.mark.timeout(180)
def test_the_search_finds_what_means_the_same(place: Place) -> None:
    """The likest sentence comes first, though it shares no word with the question."""
    output = _run(place, str(EXAMPLES / "search.py"), "a place to sleep")
    assert output.splitlines()[0].endswith("The bedroom is on the second floor.")
