"""`narthex price`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke


@pytest.fixture(autouse=True)
def configured(home: Path) -> None:
    """A folder for the database."""
    (home / "narthex.toml").write_text('data_dir = "data"\n', encoding="utf-8")


def test_a_version_is_added_and_listed(invoke: Invoke) -> None:
    """Exactly as it was given, the newest first."""
    assert "acme/one from" in invoke("price", "add", "acme/one", "--input", "0.1", "--output", "2").stdout
    words = (
        "--input",
        "1",
        "--output",
        "3",
        "--from",
        "2999-01-01",
        "--cache-read",
        "0.05",
        "--organisation",
        "default",
        *("--image", "0.04", "--audio-second", "0.0001", "--batch-discount", "50"),
    )
    added = json.loads(invoke("price", "add", "acme/one", *words, "--json").stdout)
    assert (added["cache_read_usd_per_mtok"], added["reasoning_usd_per_mtok"]) == ("0.05", None)
    assert (added["image_usd"], added["audio_second_usd"], added["batch_discount_percent"]) == ("0.04", "0.0001", 50)
    told = json.loads(invoke("price", "list", "--model", "acme/one", "--json").stdout)
    assert [one["input_usd_per_mtok"] for one in told] == ["1", "0.1"]
    assert len(invoke("price", "list", "--organisation", "default").stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("acme/one", "--input", "much", "--output", "1"), "no amount"),
        (("acme/one", "--input", "1", "--output", "1", "--batch-discount", "half"), "no percentage"),
        (("acme/one", "--input", "1", "--output", "1", "--batch-discount", "101"), "0 to 100"),
        (("acme/*", "--input", "1", "--output", "1"), "provider/model"),
        (("acme/one", "--input", "1", "--output", "1", "--currency", "EUR"), "prices are in USD"),
        (("acme/one", "--input", "1", "--output", "1", "--from", "2020-01-01"), "5 minutes"),
    ],
)
def test_what_is_no_price_is_refused(invoke: Invoke, words: tuple[str, ...], says: str) -> None:
    """In one line, and nothing is written."""
    result = invoke("price", "add", *words)
    assert (result.exit_code, says in result.stderr) == (1, True)
    assert json.loads(invoke("price", "list", "--json").stdout) == []
