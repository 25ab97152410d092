"""Calls from within this process, as methods: the same engine, without a wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from narthex.pipeline.exchange import Exchange
from narthex.pipeline.gateway import Engine
from narthex.providers.catalog import Catalog
from narthex.tenancy.keys import LOCAL
from narthex.types.answers import ChatAnswer
from narthex.types.dialects import Dialect, Operation
from narthex.types.events import Event
from narthex.types.folding import fold
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest, EmbeddingRequest
from narthex.wire.openai_embeddings import OPENAI_EMBEDDINGS


class InProcess:
    """What has an engine, and a catalog that knows the default model, can be called like this."""

    engine: Engine
    catalog: Catalog

    async def stream(
        self, prompt: str | Sequence[Message], *, model: str = "", **options: object
    ) -> AsyncIterator[Event]:
        """Yield the events of a streamed answer; the last is `Ended`.

        Args:
            prompt: What the user says, or a whole conversation, oldest first.
            model: `provider/model` or an alias; by default the configured default model.
            options: Further fields of `ChatRequest`: `temperature`, `tools`, `max_output_tokens` and so on.

        Raises:
            NarthexError: There is no answer, or it broke before its end.

        Closing the iterator ends the call to the provider.
        """
        exchange = self._exchange(prompt, model, stream=True, options=options)
        answer = await self.engine.handle(exchange)
        reader = answer.reader()
        try:
            while await reader.wait():
                for frame in reader.take():
                    assert not isinstance(frame, bytes)
                    yield frame
        finally:
            reader.leave()
        if answer.error is not None:
            raise answer.error

    async def chat(self, prompt: str | Sequence[Message], *, model: str = "", **options: object) -> ChatAnswer:
        """Return a whole answer; arguments and errors as for `stream`."""
        exchange = self._exchange(prompt, model, stream=False, options=options)
        answer = await self.engine.handle(exchange)
        frames = answer.reader().take()
        return fold(frame for frame in frames if not isinstance(frame, bytes))

    async def embed(self, inputs: str | Sequence[str], *, model: str = "local/minilm") -> tuple[tuple[float, ...], ...]:
        """Return vectors, shape `(n_inputs, dimensions)`, in the order of the inputs; errors as for `stream`."""
        texts = (inputs,) if isinstance(inputs, str) else tuple(inputs)
        request = EmbeddingRequest(model=model, inputs=texts)
        exchange = Exchange(Dialect.NATIVE, b"", {}, operation=Operation.EMBED, request=request, caller=LOCAL)
        answer = await self.engine.handle(exchange)
        return OPENAI_EMBEDDINGS.decode_answer(answer.body).vectors

    def _exchange(
        self, prompt: str | Sequence[Message], model: str, *, stream: bool, options: Mapping[str, object]
    ) -> Exchange:
        messages = (Message(role="user", parts=(Text(text=prompt),)),) if isinstance(prompt, str) else tuple(prompt)
        request = ChatRequest(
            model=model or self.catalog.default_model,
            messages=messages,
            stream=stream,
            include_usage=True,
            **options,  # type: ignore[arg-type]  # checked by the constructor's names; values by the wire
        )
        return Exchange(Dialect.NATIVE, b"", {}, request=request, caller=LOCAL)
