"""A line per model call, written in groups by a thread of its own.

The path of a request only appends to a bounded queue. If the disk cannot follow, lines are dropped and counted:
a log never stops the house.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from narthex.telemetry.metrics import Metrics

MAX_QUEUED: Final = 65_536
FLUSH_S: Final = 0.25

logger = logging.getLogger(__name__)


class RequestLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What is written down of a call: never a prompt, an answer or a key."""

    at: float
    """Unix time in seconds when it was received."""
    request_id: str
    operation: str
    surface: str
    key: str
    model_asked: str
    model: str | None = None
    """`provider/model` that served it."""
    model_answered: str | None = None
    stream: bool = False
    status: int = 200
    code: str = "ok"
    """`ok`, or the error's code."""
    duration_us: int | None = None
    first_frame_us: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    """Whether the tokens were counted here."""
    bytes_in: int = 0
    bytes_out: int = 0
    failure: str | None = None
    """Class of a provider's failure."""


class RequestLog:
    """Writes lines to `requests.jsonl` in a folder, and rotates it by size."""

    def __init__(self, folder: Path, *, max_file_bytes: int, keep_files: int, metrics: Metrics) -> None:
        self.path = folder / "requests.jsonl"
        self._max_file_bytes = max_file_bytes
        self._keep_files = keep_files
        self._metrics = metrics
        self._queue: deque[RequestLine] = deque()
        self._stop = threading.Event()
        self._encode = msgspec.json.Encoder().encode_into
        self._complained = False
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def append(self, line: RequestLine) -> None:
        """Have a line written soon; if too many wait already it is dropped and counted."""
        if len(self._queue) >= MAX_QUEUED:
            self._metrics.log_lines_dropped += 1
        else:
            self._queue.append(line)

    def close(self) -> None:
        """Write what waits, and end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_S):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        queue = self._queue
        if not queue:
            return
        buffer = bytearray()
        count = len(queue)
        for _ in range(count):
            self._encode(queue.popleft(), buffer, len(buffer))
            buffer += b"\n"
        try:
            self._write(buffer)
            self._complained = False
        except OSError as error:
            self._metrics.log_lines_dropped += count
            if not self._complained:
                self._complained = True
                logger.warning("request log %s cannot be written: %s; its lines are dropped", self.path, error)

    def _write(self, buffer: bytearray) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            view = memoryview(buffer)
            while view:
                view = view[os.write(descriptor, view) :]
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        if size >= self._max_file_bytes:
            self._rotate()

    def _rotate(self) -> None:
        for number in range(self._keep_files - 1, 0, -1):
            older = self.path.with_name(f"requests.{number}.jsonl")
            if older.exists():
                older.replace(self.path.with_name(f"requests.{number + 1}.jsonl"))
        self.path.replace(self.path.with_name("requests.1.jsonl"))
