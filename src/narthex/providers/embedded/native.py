"""The engine underneath, llama.cpp by way of xllamacpp, in a process of its own: see `worker`.

All of this blocks, and belongs in a thread.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast

from narthex.errors import ContextTooLong, InternalError, InvalidRequest, ModelUnavailable, NarthexError, Overloaded
from narthex.providers.embedded.hardware import missing_instructions

Document = dict[str, object]
OnChunk = Callable[[Document], bool]
"""Is given each piece of an answer as it comes; True ends the answer."""

_CHAT_BATCH = 64
"""Tokens of a prompt read in one go. The engine hears nothing meanwhile: neither that the caller has left nor the other
conversations, which stand still. Reading 64 takes 0.8 s on one slow core, and is a sixth slower than reading 512."""
_EMBEDDING_WINDOW = 512
_SOCKET_PATH_LIMIT = 100
_SPARE_DOORS = 2
_SILENCE_S = 300.0
"""Longest silence of the engine, which says something with every 64 tokens it reads and every token it writes."""
_LAST_BREATH_S = 1.0
_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeOptions:
    """One model to be opened."""

    path: Path
    kind: Literal["chat", "embeddings"]
    threads: int
    context_tokens: int
    """Window of each place."""
    parallel: int
    """Places: answers that are made at once."""


class NativeModel(Protocol):
    """A model in memory. Its methods may be called from several threads at once."""

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked; a fault in native code may end it."""
        ...

    def chat(self, request: Document, on_chunk: OnChunk) -> None:
        """Answer in pieces, chunks of OpenAI's shape with progress of the prompt between; returns at the end.

        Raises:
            InvalidRequest: The engine refuses the request.
            ContextTooLong: It does not fit the window.
        """
        ...

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], int]:
        """Return a vector of length one for each text, and the tokens read.

        Raises:
            ContextTooLong: A text does not fit the window.
        """
        ...

    def count_chat(self, request: Document) -> int:
        """Return the tokens of a prompt, written out as the model's template has it."""
        ...

    def count_text(self, text: str) -> int:
        """Return the tokens of a text, with those that are put around it."""
        ...

    def close(self) -> None:
        """End at once, and calls under way with it; the memory is free when this returns."""
        ...


Opener = Callable[[NativeOptions], NativeModel]


def check_machine() -> None:
    """Make sure that the engine can run here: on a processor it was not made for, it ends without a word.

    Raises:
        ModelUnavailable: An instruction is missing.
    """
    missing = missing_instructions()
    if missing:
        raise ModelUnavailable(
            f"the embedded models need a processor with {', '.join(missing).upper()}, which this one lacks; "
            "use another provider, and set `embedded.enabled` to false"
        )


def open_native(options: NativeOptions) -> NativeModel:
    """Load a model into memory.

    Raises:
        ModelUnavailable: This machine or this file will not do; the message holds the remedy.
    """
    check_machine()
    return _LlamaModel(options)


def error_of(reported: Mapping[str, object]) -> NarthexError:
    """Make the engine's error one of ours."""
    message = str(reported.get("message", "no reason given"))
    tokens, window = reported.get("n_prompt_tokens"), reported.get("n_ctx")
    if reported.get("type") == "exceed_context_size_error":
        return too_long(int(str(tokens)), int(str(window)))
    if "too large to process" in message:
        # https://github.com/ggml-org/llama.cpp: an input of an embedder that exceeds its batch has no type of its own.
        found = next((int(word.strip("(")) for word in message.split() if word.strip("(").isdigit()), None)
        return too_long(found, _EMBEDDING_WINDOW)
    code = reported.get("code")
    if code == 503:
        return Overloaded("the embedded model is not ready yet; try again", retry_after_s=1.0)
    if isinstance(code, int) and 400 <= code < 500:
        return InvalidRequest(_explained(message))
    return InternalError(f"the embedded model failed: {message}")


def too_long(tokens: int | None, window: int) -> ContextTooLong:
    """Say how long the request is and how long it may be."""
    length = f"{tokens} tokens" if tokens is not None else "more"
    return ContextTooLong(
        f"this model's window holds {window} tokens, and the request has {length}; shorten it"
        + ("" if window == _EMBEDDING_WINDOW else ", or raise `embedded.context_tokens`")
    )


def _explained(message: str) -> str:
    if "grammar" in message or "JSON schema" in message:
        reason = message.rpartition("JSON schema error at ")[2]
        return f"this JSON schema cannot be enforced by the embedded model: {reason}; make it simpler"
    return f"the embedded model refuses the request: {message}"


class _LlamaModel:
    """See `NativeModel`: a process that serves one model, and the door to it."""

    def __init__(self, options: NativeOptions) -> None:
        """Start the process, and wait until the model is loaded."""
        folder = Path(tempfile.mkdtemp(prefix="narthex-"))
        self._key = secrets.token_hex(32)
        self._socket: Path | None = folder / "engine.sock"
        if not hasattr(socket, "AF_UNIX") or len(str(self._socket)) > _SOCKET_PATH_LIMIT:
            self._socket = None
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and script
            [sys.executable, "-P", str(Path(__file__).with_name("worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        # Also where nobody closes: when this is dropped, and at the end of the process.
        self._end = weakref.finalize(self, _end, self._process, folder)
        self._address = self._started(options)

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def _started(self, options: NativeOptions) -> str:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps(self._parameters(options)).encode() + b"\n")
            process.stdin.flush()
        line = process.stdout.readline()
        said: dict[str, str] = json.loads(line) if line.endswith(b"\n") else {}
        if "address" in said:
            return said["address"]
        process.wait()
        self.close()
        raise _unloadable(options, said, process.returncode)

    def _parameters(self, options: NativeOptions) -> Document:
        is_embedder = options.kind == "embeddings"
        batch = _EMBEDDING_WINDOW if is_embedder else _CHAT_BATCH
        return {
            "path": str(options.path),
            "threads": options.threads,
            "n_ctx": options.context_tokens * options.parallel,
            "n_parallel": options.parallel,
            "n_batch": batch,
            "n_ubatch": batch,
            "embedding": is_embedder,
            # The door is a socket in a folder that only this user may enter, and has a key besides.
            "hostnames": [str(self._socket) if self._socket else "127.0.0.1"],
            "api_keys": [self._key],
            "n_threads_http": options.parallel + _SPARE_DOORS,
            "ui": False,
            "endpoint_slots": False,
            "warmup": False,
            "fit_params": False,
            "verbosity": -1,
            # Prompts of the past are kept in their places only; by default, 8 GB more are kept beside them.
            "cache_ram_mib": 0,
        }

    def chat(self, request: Document, on_chunk: OnChunk) -> None:
        with self._answer("/v1/chat/completions", request) as answer:
            for line in iter(answer.readline, b""):
                name, _, data = line.partition(b":")
                if data.strip() == b"[DONE]":
                    return
                if name not in (b"data", b"error"):
                    continue
                chunk = cast("Document", json.loads(data))
                if name == b"error" or "error" in chunk:
                    raise error_of(cast("Document", chunk.get("error", chunk)))
                if on_chunk(chunk):
                    return
            raise http.client.IncompleteRead(b"")

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], int]:
        answer = self._post("/v1/embeddings", {"input": list(texts), "encoding_format": "float"})
        data = cast("list[dict[str, object]]", answer["data"])
        usage = cast("dict[str, int]", answer["usage"])
        ordered = sorted(data, key=lambda one: cast("int", one["index"]))
        return [cast("list[float]", one["embedding"]) for one in ordered], usage["prompt_tokens"]

    def count_chat(self, request: Document) -> int:
        return self.count_text(str(self._post("/apply-template", request)["prompt"]))

    def count_text(self, text: str) -> int:
        wanted: Document = {"content": text, "add_special": True, "parse_special": True}
        return len(cast("list[object]", self._post("/tokenize", wanted)["tokens"]))

    def close(self) -> None:
        self._end()

    def _post(self, path: str, body: Document) -> Document:
        with self._answer(path, body) as answer:
            return cast("Document", json.loads(answer.read()))

    @contextlib.contextmanager
    def _answer(self, path: str, body: Document) -> Iterator[http.client.HTTPResponse]:
        """Ask, and give the answer to be read; leaving early ends the engine's work on it."""
        connection = self._connection()
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        with contextlib.closing(connection):
            try:
                connection.request("POST", path, json.dumps(body), headers)
                answer = connection.getresponse()
                if answer.status != _OK:
                    raise _reported(answer.read())
                yield answer
            except (OSError, http.client.HTTPException) as error:
                raise self._broken(error) from error

    def _connection(self) -> http.client.HTTPConnection:
        if self._socket is not None:
            return _SocketConnection(self._socket)
        return http.client.HTTPConnection(self._address.rpartition("//")[2], timeout=_SILENCE_S)

    def _broken(self, error: Exception) -> InternalError:
        # A process that dies closes its door a moment before it is gone.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_BREATH_S)
        if self.is_alive:
            return InternalError(f"the embedded model's engine does not answer: {error!r}")
        return InternalError(
            f"the embedded model's engine ended unexpectedly ({_ending(self._process.returncode)}); "
            "it is started again at the next call"
        )


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def _unloadable(options: NativeOptions, said: Mapping[str, str], status: int) -> ModelUnavailable:
    if "missing" in said:
        return ModelUnavailable(
            f"the engine of the embedded models cannot be loaded: {said['missing']}; "
            "install it with `pip install xllamacpp`"
        )
    reason = "the engine refuses it" if "refused" in said else f"the engine ended ({_ending(status)})"
    return ModelUnavailable(
        f"{options.path} cannot be loaded: {reason}: it is damaged, or too big for this machine's memory; "
        "packaged models are mended with `narthex models install NAME`"
    )


def _ending(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    if -status == signal.SIGKILL:
        return "killed, most likely for want of memory"
    return f"signal {signal.Signals(-status).name}"


def _reported(body: bytes) -> NarthexError:
    try:
        document = json.loads(body)
        return error_of(document["error"])
    except (ValueError, KeyError, TypeError):
        return InternalError(f"the embedded model's engine failed: {body[:200]!r}")


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_SILENCE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
