"""Broken files, each with the very messages it gets."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from narthex.config.load import load
from narthex.errors import ConfigError

BROKEN = Path(__file__).parent / "broken"
FILES = sorted(path for path in BROKEN.iterdir() if path.suffix in {".toml", ".yaml"})


def messages_of(source: Path, directory: Path) -> str:
    """Load a copy of a broken file in an empty folder and return what is said of it."""
    file = directory / f"narthex{source.suffix}"
    shutil.copyfile(source, file)
    with pytest.raises(ConfigError) as caught:
        load(environ={"HOME": str(directory)}, directory=directory)
    return str(caught.value).replace(str(directory), "FOLDER") + "\n"


@pytest.mark.parametrize("source", FILES, ids=lambda path: path.name)
def test_a_broken_file_gets_these_messages(source: Path, tmp_path: Path) -> None:
    """Each fault is told with file, line, column, key, what is wrong and the remedy."""
    assert messages_of(source, tmp_path) == source.with_name(f"{source.name}.txt").read_text()


@pytest.mark.parametrize("source", FILES, ids=lambda path: path.name)
def test_no_message_holds_a_secret(source: Path, tmp_path: Path) -> None:
    """What a file says under a secret key is never repeated."""
    told = messages_of(source, tmp_path)
    for secret in ("hunter2", "0123456789abcdef", "sk-secret", "123456789", "user:secret", "key=secret"):
        assert secret not in told


def test_there_are_at_least_forty() -> None:
    """The collection is not quietly thinned out, and no expectation is left without its file."""
    assert len(FILES) >= 40
    assert {path.name for path in BROKEN.glob("*.txt")} == {f"{path.name}.txt" for path in FILES}
