"""The scripted provider: answers of no meaning, made on the spot, exactly repeatable, and faults on demand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from operator import itemgetter

from narthex.errors import (
    Failure,
    NarthexError,
    ProviderError,
    ProviderRejected,
    ProviderUnreachable,
    TruncatedAnswer,
)
from narthex.providers.contract import Call, EventsReply, Health, Provider, Reply, Timeouts, TokenCounting, VectorsReply
from narthex.providers.expiry import Phase, expired
from narthex.providers.scripted.answers import Composer, Wishes, rule_for
from narthex.providers.scripted.directives import read_directives
from narthex.providers.scripted.faults import limited, refusal, too_long
from narthex.providers.scripted.options import read_options
from narthex.providers.scripted.prompts import input_tokens, read_prompt
from narthex.providers.scripted.spoiling import altered, altered_pace, played
from narthex.providers.scripted.steps import Pace, Step, events_of, paced
from narthex.providers.scripted.texts import count_tokens
from narthex.providers.scripted.vectors import embed
from narthex.testing.chance import random_for
from narthex.testing.occasions import Occasions
from narthex.testing.scenarios import Delay, Limits, Scenario, Truncate, WrongUsage
from narthex.types.catalog import Capability, ModelFacts
from narthex.types.dialects import Dialect
from narthex.types.events import Event
from narthex.types.requests import ChatRequest, EmbeddingRequest

_CAPABILITIES: frozenset[Capability] = frozenset(
    {
        "chat",
        "embeddings",
        "streaming",
        "tools",
        "json_schema",
        "vision",
        "audio",
        "files",
        "reasoning",
        "logprobs",
    }
)

_BREATH_STEPS = 64
"""Steps without a wait after which other tasks get a turn."""


class ScriptedProvider:
    """A provider that does what its script says.

    The same request with the same seed gives the same answer in the same pieces, in every process. Faults are counted
    per call: those with `every` or `probability` follow the calls this object has seen.
    """

    kind = "scripted"
    dialects: frozenset[Dialect] = frozenset()

    def __init__(
        self,
        name: str,
        script: Mapping[str, object],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Read the script.

        Args:
            name: Of the provider, in the configuration.
            script: The options, see `ScriptOptions`.
            clock: Seconds that only go up.
            sleep: Waits so many seconds of that clock.

        Raises:
            ConfigError: The script cannot be played; with every problem found.
        """
        self.name = name
        self.options = read_options(name, script)
        self._clock = clock
        self._sleep = sleep
        self._occasions = Occasions(self.options.faults, seed=self.options.seed, clock=clock)
        self._health = Health(status="ok")
        self._closed = False

    @property
    def calls(self) -> int:
        """How many calls were made so far."""
        return self._occasions.calls

    async def send(self, call: Call) -> Reply:
        """Answer one call as the script says.

        Raises:
            ProviderError: The script says so, the model is not one of its own, or the call cannot be answered.
        """
        try:
            reply = await self._reply(call)
        except ProviderRejected:
            # The request was at fault, not the provider.
            raise
        except ProviderError as error:
            self._note(error)
            raise
        self._note(None)
        return reply

    def _note(self, error: NarthexError | None) -> None:
        detail = error.message if error is not None else None
        self._health = Health(status="degraded" if error else "ok", detail=detail, checked_at=time.time())

    async def _reply(self, call: Call) -> Reply:
        self._check_open()
        scenarios = self._occasions.due()
        if call.model not in self.options.models:
            raise self._no_such_model(call.model)
        waiting = _Waiting(self.name, call.timeouts, clock=self._clock, sleep=self._sleep)
        waiting.has_head = not call.stream
        match call.request:
            case ChatRequest() as request:
                return await self._chat(call.model, request, scenarios, waiting)
            case EmbeddingRequest() as request:
                return await self._embed(request, scenarios, waiting)
            case None:
                raise ProviderRejected(
                    f"{self.name!r} takes requests in the inner vocabulary only",
                    provider=self.name,
                    failure=Failure.INTERNAL,
                )

    async def _chat(
        self, model: str, request: ChatRequest, scenarios: list[Scenario], waiting: _Waiting
    ) -> EventsReply:
        prompt, wishes = read_prompt(model, request), Wishes()
        if self.options.directives:
            prompt, wishes, asked = read_directives(prompt, self.name)
            scenarios = [*scenarios, *asked]
        rule = rule_for(self.options.replies, prompt)
        if rule is not None and rule.fault is not None:
            scenarios = [*scenarios, rule.fault]
        await self._begin(scenarios, input_tokens(request), waiting)
        waiting.has_head = True
        composer = Composer(
            provider=self.name, options=self.options, request=request, prompt=prompt, rule=rule, wishes=wishes
        )
        answer = altered(composer.compose(), scenarios)
        logprobs = (request.top_logprobs or 0) if request.logprobs else None
        events = events_of(answer, chunk_tokens=self.options.chunk_tokens, logprobs=logprobs)
        return EventsReply(self._play(self._steps(events, scenarios, answer.id), waiting))

    def _steps(self, events: Iterator[Event], scenarios: list[Scenario], mark: str) -> Iterator[Step]:
        options = self.options
        pace = Pace(
            first_token_s=options.first_token_ms / 1000,
            tokens_per_second=options.tokens_per_second,
            jitter=options.jitter,
        )
        chance = random_for(options.seed, "pace", mark)
        steps = paced(events, altered_pace(pace, scenarios), chance, chunk_tokens=options.chunk_tokens)
        return played(steps, scenarios, self.name)

    async def _play(self, steps: Iterator[Step], waiting: _Waiting) -> AsyncIterator[Event]:
        for number, step in enumerate(steps):
            if step.wait_s:
                await waiting.wait(step.wait_s)
            elif number % _BREATH_STEPS == _BREATH_STEPS - 1:
                await asyncio.sleep(0)
            self._check_open()
            if step.error is not None:
                self._note(step.error)
                raise step.error
            if step.event is not None:
                waiting.begun = waiting.begun or step.is_content
                yield step.event

    async def _embed(self, request: EmbeddingRequest, scenarios: list[Scenario], waiting: _Waiting) -> VectorsReply:
        tokens = sum(count_tokens(item) if isinstance(item, str) else len(item) for item in request.inputs)
        await self._begin(scenarios, tokens, waiting)
        async for _ in self._play(played(iter([Step()]), scenarios, self.name), waiting):
            pass
        if any(isinstance(scenario, Truncate) for scenario in scenarios):
            raise TruncatedAnswer(provider=self.name, failure=Failure.TRUNCATED, retryable=True)
        factor = next((scenario.factor for scenario in scenarios if isinstance(scenario, WrongUsage)), 1.0)
        dimensions = request.dimensions or self.options.dimensions
        vectors = await embed(request.inputs, dimensions=dimensions, seed=self.options.seed)
        return VectorsReply(vectors, int(tokens * factor))

    async def _begin(self, scenarios: list[Scenario], tokens: int, waiting: _Waiting) -> None:
        """Do what comes before an answer: wait, and refuse the call if that is due."""
        delay_s = sum(scenario.seconds for scenario in scenarios if isinstance(scenario, Delay))
        latency_s = self.options.latency_ms / 1000 + delay_s
        if latency_s:
            await waiting.wait(latency_s)
        for scenario in scenarios:
            error = refusal(scenario, self.name)
            if error is not None:
                raise error
            wait_s = self._occasions.limited_s(scenario, tokens) if isinstance(scenario, Limits) else None
            if wait_s is not None:
                raise limited(self.name, wait_s)
        window = self.options.context_tokens
        if window is not None and tokens > window:
            raise too_long(self.name, f"the request has {tokens} tokens, and the window of the model {window}")

    def _no_such_model(self, model: str) -> ProviderError:
        return ProviderRejected(
            f"{self.name!r} has no model {model!r}; it has {', '.join(self.options.models)}",
            provider=self.name,
            failure=Failure.MODEL_NOT_FOUND,
            param="model",
        )

    def _check_open(self) -> None:
        if self._closed:
            raise ProviderUnreachable(f"{self.name!r} is closed", provider=self.name, failure=Failure.CONNECT)

    async def list_models(self) -> tuple[ModelFacts, ...]:
        """Return the models of the script."""
        return tuple(self._facts(model) for model in self.options.models)

    def _facts(self, model: str) -> ModelFacts:
        return ModelFacts(
            id=model,
            provider=self.name,
            capabilities=_CAPABILITIES,
            context_tokens=self.options.context_tokens,
            max_output_tokens=self.options.max_output_tokens,
            dimensions=self.options.dimensions,
            created_at=self.options.created_at,
            description="Scripted answers for tests and demos",
        )

    async def count_tokens(self, model: str, request: ChatRequest) -> int:
        """Return the input tokens of `request`, as they will be reported."""
        if model not in self.options.models:
            raise self._no_such_model(model)
        return input_tokens(request)

    def health(self) -> Health:
        """Return how the last call went."""
        return self._health

    async def aclose(self) -> None:
        """End all answers at their next step, and refuse new calls."""
        self._closed = True


class _Waiting:
    """Waits on behalf of one call, never longer than its limits allow.

    Waits add up to a schedule: what one takes too long, the next takes less.
    """

    def __init__(
        self,
        provider: str,
        timeouts: Timeouts,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._provider = provider
        self._timeouts = timeouts
        self._clock = clock
        self._sleep = sleep
        self._began_at = self._due_at = clock()
        self.has_head = False
        """Whether the answer has begun, or is a whole one, which begins when it ends."""
        self.begun = False
        """Whether a piece of content was given: from then on the limit is that between two pieces."""

    async def wait(self, seconds: float) -> None:
        """Wait so long after the last wait's end.

        Raises:
            ProviderTimeout: The wait is longer than the call's limits; raised when the limit is reached.
        """
        limit_s, phase, told_s = self._limit()
        self._due_at += min(seconds, limit_s)
        pause_s = self._due_at - self._clock()
        if pause_s > 0:
            await self._sleep(pause_s)
        if seconds > limit_s:
            raise expired(self._provider, phase, told_s)

    def _limit(self) -> tuple[float, Phase, float]:
        """Return how long this wait may be, in which phase that is, and what the limit of the phase is."""
        limits, past_s = self._timeouts, self._due_at - self._began_at
        due = [(limits.total_s - past_s, Phase.TOTAL, limits.total_s)]
        if self.begun:
            due.append((limits.idle_s, Phase.IDLE, limits.idle_s))
        else:
            due.append((limits.first_token_s - past_s, Phase.FIRST_TOKEN, limits.first_token_s))
            if not self.has_head:
                due.append((limits.headers_s - past_s, Phase.HEADERS, limits.headers_s))
        left_s, phase, told_s = min(due, key=itemgetter(0))
        return max(0.0, left_s), phase, told_s


_provider: type[Provider] = ScriptedProvider
_counting: type[TokenCounting] = ScriptedProvider
