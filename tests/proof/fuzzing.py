"""A server before a script and an upstream, a client that sends any bytes, and readers that let nothing odd pass.

What a fuzz test draws stands in `drawing`; here is what it is held against.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Self, cast

from hypothesis import currently_in_test_context, note

from narthex.testing.acts import whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_answer
from tests.gateways import KEY, RunningGateway, running

Json = dict[str, object]

OTHER_KEY: Final = "sk-test-fedcba9876543210"
"""A second key that opens the server."""

WAIT_S: Final = 10.0
"""How long a client waits before it takes the server for hung; on a slow machine that is still no hang."""

QUIET_S: Final = 0.02
"""How long a client listens for what else may come, before it says that it has nothing more to send."""

PATIENCE: Final = {"header_timeout_s": 86_400, "body_timeout_s": 86_400, "keep_alive_s": 86_400}
"""Nothing ends by a limit of time, so that the good connection outlives the longest run."""

ANTHROPIC_PATHS: Final = ("/v1/messages", "/v1/models")
"""Paths whose errors may be told in Anthropic's shape: the second only to callers that speak it."""

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [\x20-\x7e]*")
_HEADER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?((?:[\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff]*))?)")
_CHUNK_LINE = re.compile(rb"[0-9a-f]+")
_OWN = re.compile(r'req_[0-9a-f]+|"created(?:_at)?": ?\d+')
"""What differs from one answer to the next by right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response, read strictly."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Json:
        """Return the body as a JSON object."""
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return cast("Json", value)

    @property
    def told(self) -> tuple[int, str, str]:
        """Status, kind of content and body, without what differs from one answer to the next by right."""
        return self.status, self.headers.get("content-type", ""), _OWN.sub("-", self.body.decode("latin-1"))


def read_answers(data: bytes) -> tuple[list[Answer], bytes]:
    """Return the whole responses at the start of `data`, and what is left; what is not clean HTTP/1.1 fails the test.

    No answer to HEAD can be read so.
    """
    answers: list[Answer] = []
    while True:
        one, rest = _read_answer(data)
        if one is None:
            return answers, data
        if one.status >= 200:
            answers.append(one)
        data = rest


def _read_answer(data: bytes) -> tuple[Answer | None, bytes]:
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        assert len(head) < 65_536, "the head of an answer has no end"
        return None, data
    status_line, *lines = head.split(b"\r\n")
    match = _STATUS_LINE.fullmatch(status_line)
    assert match, f"not a status line: {status_line[:100]!r}"
    headers = _read_headers(lines)
    status = int(match.group(1))
    if status < 200 or status in {204, 304}:
        assert "content-length" not in headers
        assert "transfer-encoding" not in headers
        return Answer(status=status, headers=headers, body=b""), rest
    body, left = _read_chunks(rest) if "transfer-encoding" in headers else _read_length(headers, rest)
    if body is None:
        return None, data
    return Answer(status=status, headers=headers, body=body), left


def _read_headers(lines: Sequence[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        match = _HEADER_LINE.fullmatch(line)
        assert match, f"not a header line: {line[:100]!r}"
        name = match.group(1).decode().lower()
        assert name not in headers, f"{name} is there twice"
        headers[name] = match.group(2).decode("latin-1")
    if "transfer-encoding" in headers:
        assert headers["transfer-encoding"] == "chunked"
        assert "content-length" not in headers
    return headers


def _read_length(headers: dict[str, str], rest: bytes) -> tuple[bytes | None, bytes]:
    length = headers.get("content-length", "")
    assert length.isdecimal(), f"no clean length: {headers}"
    size = int(length)
    return (rest[:size], rest[size:]) if len(rest) >= size else (None, rest)


def _read_chunks(rest: bytes) -> tuple[bytes | None, bytes]:
    body = b""
    while True:
        line, end, rest = rest.partition(b"\r\n")
        if not end:
            return None, rest
        assert _CHUNK_LINE.fullmatch(line), f"not the size of a chunk: {line[:100]!r}"
        size = int(line, 16)
        if len(rest) < size + 2:
            return None, rest
        assert rest[size : size + 2] == b"\r\n", "a chunk does not end where it says"
        body, rest = body + rest[:size], rest[size + 2 :]
        if not size:
            return body, rest


class Line:
    """One connection of a client that sends what it likes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._left = b""
        self.closed = False
        """Whether the server has ended the connection."""

    def send(self, data: bytes) -> None:
        """Send bytes; a server that has hung up already is none of the sender's business."""
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def answers(self, count: int) -> list[Answer]:
        """Return so many answers, or those that came before the server closed the connection."""
        while True:
            answers, left = read_answers(self._left)
            if len(answers) >= count or self.closed:
                assert not self.closed or not left, f"an answer was cut: {left[:200]!r}"
                self._left = left
                return answers
            self._more()

    def last_answers(self) -> list[Answer]:
        """Listen until nothing comes for a moment, hang up one way, and return what had come by then."""
        self._socket.settimeout(QUIET_S)
        try:
            while not self.closed:
                self._more()
        except TimeoutError:
            pass
        self._socket.settimeout(WAIT_S)
        self.hang_up()
        while not self.closed:
            self._more()
        return read_answers(self._left)[0]

    def hang_up(self) -> None:
        """Say that nothing more will be sent."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.closed = True

    def _more(self) -> None:
        try:
            data = self._socket.recv(65_536)
        except ConnectionResetError:
            data = b""
        self.closed = not data
        self._left += data

    def close(self) -> None:
        """Close."""
        self._socket.close()

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


class Watch(logging.Handler):
    """Notes everything in the log that no request may cause."""

    faults: ClassVar[list[str]] = []
    """All servers of a process share its log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        """Note a traceback, an error or a warning."""
        self.faults.append(self.format(record))


class Fuzzed:
    """A running server under fire."""

    def __init__(self, gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
        self.gateway = gateway
        self.upstream = upstream
        self._good = Line(gateway.port)
        self._alone: dict[bytes, tuple[int, str, str]] = {}

    def line(self) -> Line:
        """Open a connection."""
        return Line(self.gateway.port)

    def breathe(self) -> None:
        """Wait until the server has read what was sent so far: its loop has turned over twice."""
        for _ in range(2):
            turned = threading.Event()
            self.gateway.call(turned.set)
            assert turned.wait(WAIT_S), "the server's loop stands still"

    def ask(self, request: bytes, cuts: Sequence[int] = ()) -> Answer:
        """Send a request over a connection of its own, cut at these places, and return its one answer."""
        with self.line() as line:
            self.send_cut(line, request, cuts)
            answers = line.answers(1)
        assert len(answers) == 1, f"{len(answers)} answers to {request[:200]!r}"
        return answers[0]

    def alone(self, request: bytes) -> tuple[int, str, str]:
        """Return what is told to a request that comes alone, over a fresh connection."""
        if request not in self._alone:
            self._alone[request] = self.ask(request).told
        return self._alone[request]

    def send_cut(self, line: Line, data: bytes, cuts: Sequence[int]) -> None:
        """Send data in pieces that the server reads one by one."""
        start = 0
        for cut in sorted(set(cuts)):
            if start < cut < len(data):
                line.send(data[start:cut])
                self.breathe()
                start = cut
        line.send(data[start:])

    def hear(self, data: bytes) -> list[Answer]:
        """Send any bytes over a connection of their own and return what comes back."""
        with self.line() as line:
            line.send(data)
            return line.last_answers()

    def connections(self) -> int:
        """Return how many connections the server holds."""
        server = self.gateway._server
        assert server is not None
        return len(server.server_state.connections)

    def settles(self, condition: Callable[[], bool]) -> bool:
        """Wait until something holds."""
        until = time.monotonic() + WAIT_S
        while not condition() and time.monotonic() < until:
            time.sleep(0.005)
        return condition()

    def stands(self) -> None:
        """Check that the server still serves a connection opened before, and has complained about nothing."""
        self._good.send(request("/v1/chat/completions", chat("Still there?")))
        (answer,) = self._good.answers(1)
        assert answer.status == 200
        assert b"Still there?" in answer.body
        faults = "\n".join(Watch.faults)
        Watch.faults.clear()
        assert not faults, faults

    def calm(self) -> None:
        """Forget complaints that nobody asked for."""
        self.breathe()
        Watch.faults.clear()

    def close(self) -> None:
        """Close the good connection."""
        self._good.close()


@contextmanager
def fuzzed(data_dir: Path, **changes: object) -> Iterator[Fuzzed]:
    """Run a server with two keys, a script that says the prompt again, and an upstream that takes bytes as they are."""
    watch = Watch()
    with ScriptedUpstream(lambda _: whole(openai_answer("Hello"))) as upstream:
        settings: Json = {
            "keys": [{"name": "first", "key": KEY}, {"name": "second", "key": OTHER_KEY}],
            "providers": {
                "demo": {"kind": "scripted", "script": {"models": ["m"], "reply": "{prompt}", "dimensions": 4}},
                "up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"]},
            },
            "default_model": "demo/m",
            "server": {"max_body_bytes": 1_048_576, **PATIENCE},
        }
        with running(data_dir, **{**settings, **changes}) as gateway:
            logging.getLogger().addHandler(watch)
            server = Fuzzed(gateway, upstream)
            try:
                yield server
            finally:
                server.close()
                logging.getLogger().removeHandler(watch)


def chat(text: str, *, model: str = "demo/m", **more: object) -> bytes:
    """Return a chat request's body; Anthropic's wire takes it as well."""
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": model, "max_tokens": 64, "messages": messages, **more}).encode()


def request(
    path: str, body: bytes = b"", *, method: str = "POST", key: str | None = KEY, more: str = "", chunked: bool = False
) -> bytes:
    """Write a request."""
    framing = "transfer-encoding: chunked" if chunked else f"content-length: {len(body)}"
    authorization = f"authorization: Bearer {key}\r\n" if key is not None else ""
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{authorization}{more}{framing}\r\n\r\n".encode("latin-1")
    return head + (b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body)


def remember(text: str) -> None:
    """Have a property that fails say what it failed with; a plain test says so by itself."""
    if currently_in_test_context():
        note(text)


def code_of(answer: Answer, path: str) -> str:
    """Return the stable code of an error answer, which must be told in the shape of its surface."""
    told = answer.json()
    error = told["error"]
    assert isinstance(error, dict)
    assert isinstance(error["message"], str)
    if told.get("type") == "error":
        assert path.startswith(ANTHROPIC_PATHS), "Anthropic's shape where OpenAI's is spoken"
        code, request_id = error["details"]["error_code"], told["request_id"]
    else:
        assert not path.startswith("/v1/messages"), "OpenAI's shape where Anthropic's is spoken"
        assert error.keys() == {"message", "type", "param", "code", "request_id"}
        code, request_id = error["code"], error["request_id"]
    assert answer.headers["x-request-id"] == request_id
    assert isinstance(code, str)
    return code
