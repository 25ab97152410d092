"""The provider `local`: models in this process, behind OpenAI's dialect."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from narthex.config.settings import EmbeddedSettings
from narthex.errors import InternalError, ModelUnavailable, UnsupportedContent
from narthex.providers.contract import Call, Health, Provider, Reply, TokenCounting
from narthex.providers.embedded.chunks import ChunkReader
from narthex.providers.embedded.embeddings import embedding_body, texts_of
from narthex.providers.embedded.engine import Engine, EngineOptions, not_installed
from narthex.providers.embedded.hardware import usable_cores
from narthex.providers.embedded.jobs import Job
from narthex.providers.embedded.library import PROVIDER, Library, LocalModel
from narthex.providers.embedded.native import (
    Document,
    NativeModel,
    NativeOptions,
    Opener,
    check_machine,
    open_native,
)
from narthex.providers.embedded.prompts import Prompt, prompt_of, written_messages
from narthex.providers.embedded.replies import Clock, stream_reply, whole_reply
from narthex.providers.embedded.writers import writer_for
from narthex.types.catalog import ModelFacts
from narthex.types.dialects import Dialect, Operation
from narthex.types.requests import ChatRequest
from narthex.wire.openai_chat import OPENAI_CHAT
from narthex.wire.openai_embeddings import OPENAI_EMBEDDINGS

T = TypeVar("T")

_INLINE_BYTES = 32_768
"""Bodies up to this size are read on the event loop: well under 5 ms."""
_EMBEDDING_PLACES = 4


class EmbeddedProvider:
    """Answers with models in this process; see `Provider`."""

    name = PROVIDER
    kind = "embedded"
    dialects = frozenset({Dialect.OPENAI_CHAT, Dialect.OPENAI_EMBEDDINGS})

    def __init__(self, settings: EmbeddedSettings, models_dir: Path, *, opener: Opener = open_native) -> None:
        """Know where the models are; nothing is loaded before the first call.

        Args:
            settings: How models are run.
            models_dir: Where their files are.
            opener: What loads a model into memory.
        """
        self._settings = settings
        self._library = Library(settings, models_dir)
        self._opener = opener
        self._engines: dict[str, Engine] = {}

    # -- answering -----------------------------------------------------------------------------------------------------

    async def send(self, call: Call) -> Reply:
        """Make one attempt.

        Raises:
            InvalidRequest: The request is not valid for this model.
            UnsupportedContent: It holds something that the model cannot take.
            ContextTooLong: It does not fit the model's window.
            ModelNotFound: There is no such model.
            ModelUnavailable: It is not installed, or cannot be loaded; the message holds the remedy.
            Overloaded: Too many wait already.
            ProviderTimeout: There was no answer in time.
        """
        clock = Clock(call.timeouts, is_streaming=call.stream)
        model = await asyncio.to_thread(self._library.model, call.model)
        if call.operation is Operation.EMBED:
            return await self._embed(model, call, clock)
        return await self._chat(model, call, clock)

    async def _chat(self, model: LocalModel, call: Call, clock: Clock) -> Reply:
        if model.kind != "chat":
            raise UnsupportedContent(f"{PROVIDER}/{model.id} makes embeddings and does not chat", param="model")
        request, prompt = await _aside(lambda: self._read_chat(model, call.body), len(call.body))
        work = _chat_work(model, request, prompt)
        job, first = await self._begin(model, work, clock)
        if request.stream:
            return stream_reply(job, first, clock)
        return await whole_reply(job, first, clock)

    def _read_chat(self, model: LocalModel, body: bytes) -> tuple[ChatRequest, Prompt]:
        request = OPENAI_CHAT.decode_request(body)
        return request, self._prompt(model, request)

    def _prompt(self, model: LocalModel, request: ChatRequest) -> Prompt:
        return prompt_of(
            request,
            habits=model.habits,
            context_tokens=model.context_tokens,
            most_choices=self._settings.parallel,
        )

    async def _embed(self, model: LocalModel, call: Call, clock: Clock) -> Reply:
        if model.kind != "embeddings":
            raise UnsupportedContent(f"{PROVIDER}/{model.id} chats and makes no embeddings", param="model")
        request = await _aside(lambda: OPENAI_EMBEDDINGS.decode_request(call.body), len(call.body))
        texts = texts_of(request, model.dimensions)
        packed = request.encoding_format == "base64"

        def work(native: NativeModel, job: Job[bytes]) -> None:
            job.give(embedding_body(native, texts, model=model.id, packed=packed, is_unwanted=lambda: job.is_unwanted))

        job, first = await self._begin(model, work, clock)
        return await whole_reply(job, first, clock)

    async def _begin(
        self, model: LocalModel, work: Callable[[NativeModel, Job[T]], None], clock: Clock
    ) -> tuple[Job[T], T | None]:
        """Start a job and wait for its first piece: what fails before that fails as a whole."""
        job: Job[T] | None = None
        try:
            async with clock.until_first():
                job = await self._engine(model).start(work)
                return job, await job.next()
        except TimeoutError as error:
            if job is not None:
                job.cancel()
            raise clock.expired(first=True) from error
        except BaseException:
            if job is not None:
                job.cancel()
            raise

    async def count_tokens(self, model: str, request: ChatRequest) -> int:
        """Return the input tokens of `request`, by the model's own template and tokenizer.

        Raises:
            ModelUnavailable: The model cannot be loaded.
            NarthexError: As `send` would, for a request that it would refuse.
        """
        local = await asyncio.to_thread(self._library.model, model)

        def work(native: NativeModel, job: Job[int]) -> None:
            if local.kind == "chat":
                prompt = self._prompt(local, request)
                job.give(native.count_chat({"messages": prompt.document["messages"]}))
            else:
                texts = [str(message["content"]) for message in written_messages(request.messages)]
                job.give(sum(native.count_text(text) for text in texts))

        job = await self._engine(local).start(work)
        try:
            tokens = await job.next()
        finally:
            job.cancel()
        if tokens is None:
            raise InternalError("the embedded model was stopped while it counted")
        return tokens

    def _engine(self, model: LocalModel) -> Engine:
        if not model.is_installed:
            raise ModelUnavailable(not_installed(model.id, model.path))
        check_machine()
        engine = self._engines.get(model.id)
        if engine is None:
            engine = Engine(self._options(model), opener=self._opener)
            self._engines[model.id] = engine
        return engine

    def _options(self, model: LocalModel) -> EngineOptions:
        settings = self._settings
        is_chat = model.kind == "chat"
        return EngineOptions(
            name=model.id,
            native=NativeOptions(
                path=model.path,
                kind=model.kind,
                threads=settings.threads or max(1, usable_cores() - 1),
                context_tokens=model.context_tokens,
                parallel=settings.parallel if is_chat else min(settings.parallel, _EMBEDDING_PLACES),
            ),
            max_waiting=settings.max_waiting,
            idle_unload_s=settings.idle_unload_s,
            size_bytes=model.size_bytes,
        )

    # -- telling -------------------------------------------------------------------------------------------------------

    async def list_models(self) -> tuple[ModelFacts, ...]:
        """Return the packaged models, installed or not, and those whose files are there."""
        return tuple(model.facts() for model in await asyncio.to_thread(self._library.models))

    def health(self) -> Health:
        """Return how the chat model is; never waits."""
        name = self._library.chat_model
        now = time.time()
        try:
            check_machine()
        except ModelUnavailable as error:
            return Health(status="down", detail=error.message, checked_at=now)
        if not self._library.is_installed(name):
            return Health(status="down", detail=not_installed(name, Path(name)), checked_at=now)
        engine = self._engines.get(name)
        if engine is not None and engine.error is not None:
            return Health(status="degraded", detail=engine.error.message, checked_at=now)
        if engine is None or engine.state == "unloaded":
            return Health(status="idle", detail="loaded at the next call", checked_at=now)
        if engine.state == "loading":
            return Health(status="loading", detail=f"{engine.progress or 0:.0%}", checked_at=now)
        return Health(status="ok", checked_at=now)

    def status(self) -> dict[str, object]:
        """Return the object `embedded` of the system's status."""
        name = self._library.chat_model
        engine = self._engines.get(name)
        health = self.health()
        return {
            "installed": self._library.is_installed(name),
            "loaded": engine is not None and engine.state in ("ready", "idle"),
            "model": name,
            "state": engine.state if engine is not None else "unloaded",
            "progress": engine.progress if engine is not None else None,
            "detail": health.detail,
            "models": [
                {"model": one.options.name, "state": one.state, "progress": one.progress, "waiting": one.waiting}
                for one in self._engines.values()
            ],
        }

    async def aclose(self) -> None:
        """Stop all answers and unload all models, within two seconds."""
        await asyncio.gather(*(engine.aclose() for engine in self._engines.values()))


def _chat_work(model: LocalModel, request: ChatRequest, prompt: Prompt) -> Callable[[NativeModel, Job[bytes]], None]:
    """Return what makes the answer's bytes, in a thread: streamed, frame by frame, or whole at the end."""

    def work(native: NativeModel, job: Job[bytes]) -> None:
        reader = ChunkReader(model=model.id, choices=prompt.choices, is_emulated=prompt.is_emulated)
        writer = writer_for(request)

        def heard(chunk: Document) -> bool:
            for event in reader.read(chunk):
                job.give(writer.write(event))
            return job.is_unwanted

        native.chat(prompt.document, heard)
        end = reader.close()
        if not end and not job.is_unwanted:
            raise InternalError("the embedded model's answer has no end")
        for event in end:
            job.give(writer.write(event))

    return work


async def _aside(work: Callable[[], T], size_bytes: int) -> T:
    """Do work that grows with the body: here if it is short, in a thread otherwise."""
    return work() if size_bytes <= _INLINE_BYTES else await asyncio.to_thread(work)


_conforms: Callable[[EmbeddedSettings, Path], Provider] = EmbeddedProvider
_counts: Callable[[EmbeddedSettings, Path], TokenCounting] = EmbeddedProvider


def status_of(embedded: EmbeddedProvider | None) -> dict[str, object]:
    """Return how the embedded model stands, or that there is none."""
    if embedded is None:
        return {"installed": False, "loaded": False, "model": None, "progress": None, "detail": "switched off"}
    return embedded.status()
