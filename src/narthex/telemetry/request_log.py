"""A line per model call, written in groups by a thread of its own.

The path of a request only appends to a bounded queue. If the disk cannot follow, lines are dropped and counted:
a log never stops the house.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from narthex.telemetry.metrics import Metrics

MAX_QUEUED: Final = 65_536
FLUSH_S: Final = 0.25

logger = logging.getLogger(__name__)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let nobody else write the request logs of a folder meanwhile, in whichever process: they wait."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class AttemptLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One of several attempts at a call."""

    target: str
    """`provider/model` that was asked."""
    way: str
    """`first`, `hedge`, `retry`, `fallback`, or how a stream was brought to its end: `told`, `prefill`, `restart`;
    `cascade` if the answer before it did not pass the check; `merge` where several models were asked; of a registered
    answer `static` or `computed`."""
    duration_us: int
    """Time that it took, in microseconds."""
    failure: str | None = None
    """Class of its failure, or why its answer did not pass the check; left out if it succeeded."""
    input_tokens: int = 0
    """Of one that was let go beside another, the tokens of the prompt that its provider may bill; an estimate."""


class RouteLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What was decided on a call, where there was something to decide."""

    rule: str | None = None
    """The rule that sent it on its way."""
    virtual: str | None = None
    """The virtual model that shared it out."""
    strategy: str | None = None
    """How that shares its calls."""


class MergeLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What became of several models' answers."""

    mode: str
    """`interleave`, `race`, `sequence` or `best_of`."""
    sources: tuple[str, ...]
    """The models that were asked."""


class RequestLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What is written down of a call: never a prompt, an answer or a key."""

    at: float
    """When it was received, Unix time in seconds."""
    request_id: str
    """Its name, as in the header `x-request-id`."""
    operation: str
    """What was asked: `chat`, `embed` or `count_tokens`."""
    surface: str
    """The dialect of the caller, such as `openai.chat`."""
    key: str
    """Name of the caller's key; `-` if the call was refused before it was known."""
    model_asked: str
    """The model in the caller's words, at most 256 characters of them."""
    model: str | None = None
    """`provider/model` that served it, or was asked last."""
    model_answered: str | None = None
    """The model in the provider's words."""
    stream: bool = False
    """Whether the answer was streamed."""
    status: int = 200
    """HTTP status."""
    code: str = "ok"
    """`ok`, or the [code](errors.md#codes) of the error."""
    duration_us: int | None = None
    """Time of the whole call, in microseconds."""
    first_frame_us: int | None = None
    """Time to the first frame of the answer, in microseconds."""
    input_tokens: int | None = None
    """Tokens read; left out if the call consumed none."""
    output_tokens: int | None = None
    """Tokens written; left out if the call consumed none."""
    cache_read_tokens: int = 0
    """Tokens read that the provider had in its cache."""
    reasoning_tokens: int = 0
    """Tokens written that were thoughts."""
    estimated: bool = False
    """Whether the tokens were counted here, as the provider did not tell them."""
    bytes_in: int = 0
    """Size of the request's body."""
    bytes_out: int = 0
    """Size of the answer's body."""
    failure: str | None = None
    """The [class](errors.md) of the provider's failure that the call ended in."""
    workspace: str = ""
    """ID of the workspace that the key belongs to; left out where that is not known."""
    replayed: bool = False
    """Whether this was the answer to an earlier call with the same idempotency key: it is on that call's bill."""
    rescued: str | None = None
    """How the answer came about although an attempt had failed: the way of the attempt that brought it."""
    registered: str | None = None
    """`static` or `computed` if a registered answer was given in place of the error, whose class is in `failure`."""
    attempts: tuple[AttemptLine, ...] = ()
    """What was tried, in order, where there was more than one attempt."""
    route: RouteLine | None = None
    """What was decided, where a rule or a virtual model had a say."""
    shadow_of: str | None = None
    """Of a copy for a model on trial: the `request_id` of the call that was copied. No caller saw its answer."""
    simulated: bool = False
    """Whether the answer was streamed although its provider gave it whole."""
    cache: str | None = None
    """How the call was answered from the cache: `hit`, `stale`, `error` (in place of one), `joined` (with another)."""
    merge: MergeLine | None = None
    """Of a call for several models: how their answers were made one. What they consumed is on their own lines."""
    merged_into: str | None = None
    """Of one of those: the `request_id` of the call that it is a part of."""


class RequestLog:
    """Writes lines to `requests.jsonl` in a folder, and rotates it by size.

    Attributes:
        key_named: Returns what is written for the name of a key, by when the call began; in the writer's thread.
    """

    key_named: Callable[[str, float], str] | None = None

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
            self._encode(self._named(queue.popleft()), buffer, len(buffer))
            buffer += b"\n"
        try:
            self._write(buffer)
            self._complained = False
        except OSError as error:
            self._metrics.log_lines_dropped += count
            if not self._complained:
                self._complained = True
                logger.warning("request log %s cannot be written: %s; its lines are dropped", self.path, error)

    def _named(self, line: RequestLine) -> RequestLine:
        if self.key_named is None:
            return line
        name = self.key_named(line.key, line.at)
        return line if name == line.key else msgspec.structs.replace(line, key=name)

    def _write(self, buffer: bytearray) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with alone(self.path.parent):
            self._append(buffer)

    def _append(self, buffer: bytearray) -> None:
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
