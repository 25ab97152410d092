"""Origins and paths as they are written."""

from __future__ import annotations

import pytest

from narthex.config.origins import DEFAULT, Origin, dotted


@pytest.mark.parametrize(
    ("origin", "listed", "where"),
    [
        (DEFAULT, "default", ""),
        (Origin(kind="file", name="narthex.toml", line=3, column=7), "narthex.toml:3", "narthex.toml:3:7"),
        (Origin(kind="file", name="narthex.toml"), "narthex.toml", "narthex.toml"),
        (Origin(kind="environment", name="NARTHEX_DATA_DIR"), "env NARTHEX_DATA_DIR", "NARTHEX_DATA_DIR"),
        (Origin(kind="flag", name="--port"), "flag --port", "--port"),
        (Origin(kind="discovered", name="GROQ_API_KEY"), "discovered (GROQ_API_KEY)", "GROQ_API_KEY"),
        (Origin(kind="discovered"), "discovered", ""),
    ],
)
def test_an_origin_is_named(origin: Origin, listed: str, where: str) -> None:
    """A listing and a message each name the origin in their way."""
    assert str(origin) == listed
    assert origin.where == where


def test_a_path_quotes_names_with_dots() -> None:
    """Names that hold dots are told from nested names."""
    assert dotted(("aliases", "gpt-4.1")) == 'aliases."gpt-4.1"'
    assert dotted(("keys", 0, "name")) == "keys.0.name"
