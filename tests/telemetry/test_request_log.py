"""The request log writes each line once, rotates by size, and never stops the house."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from narthex.telemetry import request_log
from narthex.telemetry.metrics import Metrics
from narthex.telemetry.request_log import RequestLine, RequestLog


def _line(number: int) -> RequestLine:
    return RequestLine(
        at=1.5, request_id=f"req_{number}", operation="chat", surface="openai_chat", key="team", model_asked="fast"
    )


def _log(folder: Path, metrics: Metrics, *, max_file_bytes: int = 65_536, keep_files: int = 3) -> RequestLog:
    return RequestLog(folder, max_file_bytes=max_file_bytes, keep_files=keep_files, metrics=metrics)


def _written(folder: Path) -> list[str]:
    files = sorted(folder.glob("requests*.jsonl"))
    return [json.loads(line)["request_id"] for file in files for line in file.read_text().splitlines()]


def test_what_is_appended_is_written_at_the_end_at_the_latest(tmp_path: Path) -> None:
    """Closing the log writes every line that waits, in order, and only once."""
    log = _log(tmp_path / "logs", Metrics())
    log.start()
    for number in range(100):
        log.append(_line(number))
    log.close()
    assert _written(tmp_path / "logs") == [f"req_{number}" for number in range(100)]


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Others on the machine cannot read who called what."""
    log = _log(tmp_path, Metrics())
    log.append(_line(1))
    log.start()
    log.close()
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_a_full_file_is_rotated_and_old_ones_go(tmp_path: Path) -> None:
    """Above its size a file gets a number; beyond `keep_files` the oldest is gone."""
    log = _log(tmp_path, Metrics(), max_file_bytes=1, keep_files=2)
    for number in range(5):
        log.append(_line(number))
        log._flush()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["requests.1.jsonl", "requests.2.jsonl"]
    assert json.loads((tmp_path / "requests.1.jsonl").read_text())["request_id"] == "req_4"
    assert json.loads((tmp_path / "requests.2.jsonl").read_text())["request_id"] == "req_3"


def test_a_disk_that_cannot_be_written_costs_lines_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Lines that cannot be written are counted, one warning is given, and calls go on."""
    blocked = tmp_path / "logs"
    blocked.write_text("a file where the folder should be")
    metrics = Metrics()
    log = _log(blocked, metrics)
    for number in range(3):
        log.append(_line(number))
        log._flush()
    assert metrics.log_lines_dropped == 3
    assert len([record for record in caplog.records if "request log" in record.message]) == 1


def test_a_queue_that_is_full_drops_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk cannot follow, the queue stays bounded."""
    monkeypatch.setattr(request_log, "MAX_QUEUED", 2)
    metrics = Metrics()
    log = _log(tmp_path, metrics)
    for number in range(5):
        log.append(_line(number))
    assert metrics.log_lines_dropped == 3
    log.start()
    log.close()
    assert _written(tmp_path) == ["req_0", "req_1"]


def test_a_line_leaves_out_what_is_as_usual(tmp_path: Path) -> None:
    """Fields with their usual value are not written, so that lines stay short."""
    log = _log(tmp_path, Metrics())
    log.append(_line(1))
    log.start()
    log.close()
    assert "failure" not in json.loads(log.path.read_text())
