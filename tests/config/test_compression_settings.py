"""Options of compression."""

from __future__ import annotations

import pytest

from narthex.config.compression_settings import CompressionSettings, compression_problems


def test_a_level_must_be_one_of_each_codec() -> None:
    """What a codec has no level for is refused, with the option that names it."""
    assert list(compression_problems(CompressionSettings())) == []
    wrong = CompressionSettings(responses="gzip", level=12)
    assert list(compression_problems(wrong)) == [
        ("level", "is 12, and `gzip`, which `compression.responses` names, ends at 9")
    ]


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_other_levels_hold(codec: str) -> None:
    """What compresses nothing has no levels, and zstd has many."""
    settings = CompressionSettings.model_validate({"cache": codec, "level": 19, "responses": codec, "documents": codec})
    assert list(compression_problems(settings)) == []
