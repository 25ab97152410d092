"""The server's log on standard error."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from narthex.cli.logs import JsonLines, TextLines, start_logging
from narthex.config.settings import LogSettings


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    for name in ("uvicorn", "uvicorn.error", "asyncio", "watchfiles"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def record(message: str) -> logging.LogRecord:
    """Return a record with the traceback of an error."""
    try:
        raise ValueError("deep")
    except ValueError:
        return logging.LogRecord("narthex.app", logging.WARNING, "f", 1, message, None, sys.exc_info())


def test_a_line_of_text_stays_together() -> None:
    """Further lines are indented, so that no message can look like another record."""
    lines = TextLines().format(record("one\ntwo")).split("\n")
    assert lines[0].endswith(" warning narthex.app: one")
    assert all(line.startswith("  ") for line in lines[1:])
    assert "ValueError: deep" in lines[-1]


def test_a_line_of_json_is_one_object() -> None:
    """Every record is one line, whatever it says."""
    text = JsonLines().format(record('one\n"two"'))
    fields = json.loads(text)
    assert "\n" not in text
    assert (fields["level"], fields["logger"]) == ("warning", "narthex.app")
    assert fields["message"].startswith('one\n"two"\nTraceback')


def test_the_level_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """Below the level nothing is written, and other libraries' news only where somebody looks for faults."""
    start_logging(LogSettings(level="info", format="json"))
    logging.getLogger("narthex.x").debug("silent")
    logging.getLogger("narthex.x").info("heard")
    logging.getLogger("uvicorn.error").info("silent")
    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["heard"]
    start_logging(LogSettings(level="debug"))
    logging.getLogger("uvicorn.error").info("heard as well")
    assert "heard as well" in capsys.readouterr().err
