"""Copies of calls for models on trial: made once the caller's answer has begun, answered to nobody, and kept apart."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, get_args

import msgspec

from narthex.errors import Cancelled, DeadlineExceeded, InternalError, ModelNotFound, NarthexError
from narthex.pipeline.contract import Next, Spawn
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.facts import facts_of
from narthex.pipeline.settle import Settlement
from narthex.providers.catalog import Catalog, Target
from narthex.routing.router import Router
from narthex.streams.stream import drain
from narthex.types.dialects import Operation

Reason = Literal["busy", "tools", "same", "unavailable", "unknown"]
"""Why a copy is not sent: too many are under way, its provider would act on it, it goes where the call went already,
that model is left alone or has no place free at the moment, or there is no such model."""
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)


_COUNT_TOKENS: Final = Operation.COUNT_TOKENS
_ACTING: Final = (b'"tools"', b'"mcp_servers"', b'"web_search_options"')
_RUN_BY_CALLERS: Final = ("function", "custom", "bash_", "text_editor_", "computer_", "memory_")
"""How the types of tools begin that a model only asks for: https://docs.anthropic.com/en/docs/agents-and-tools"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowLimits:
    """What copies may take."""

    max_active: int = 16
    """Copies under way at once."""
    timeout_s: float = 120.0
    """For a whole copy, in seconds."""


class Dropped:
    """Counts the copies that were not sent."""

    def __init__(self) -> None:
        self._counts: dict[Reason, int] = dict.fromkeys(REASONS, 0)

    def add(self, reason: Reason) -> None:
        """Count one."""
        self._counts[reason] += 1

    def lines(self) -> Iterator[str]:
        """Render the counts for Prometheus."""
        yield "# HELP narthex_shadow_dropped_total Copies of calls that were not sent, by reason."
        yield "# TYPE narthex_shadow_dropped_total counter"
        for reason, count in self._counts.items():
            yield f'narthex_shadow_dropped_total{{reason="{reason}"}} {count}'


class Shadows:
    """Sends copies of calls.

    A copy is one attempt: it is never tried again, nor elsewhere, nor mended, and what is known of models for callers'
    calls is not touched by it.

    Attributes:
        limits: What copies may take.
        dropped: Counts those that were not sent.
        available: Tells whether a model may be called at the moment, and has room.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        router: Router,
        settlement: Settlement,
        attempt: Next,
        spawn: Spawn,
        available: Callable[[str], bool],
        limits: ShadowLimits,
    ) -> None:
        """Take what copies go through.

        Args:
            catalog: Knows the models.
            router: Knows who stands behind a virtual model.
            settlement: Counts and logs copies, apart from callers' calls.
            attempt: Makes one attempt at a call's target.
            spawn: Starts the task of a copy.
            available: Tells whether a model may be called at the moment.
            limits: What copies may take.
        """
        self._catalog = catalog
        self._router = router
        self._settlement = settlement
        self._attempt = attempt
        self._spawn = spawn
        self.available = available
        self.limits = limits
        self._active = 0
        self.dropped = Dropped()

    def take(self, exchange: Exchange, model: str) -> None:
        """Have a copy of a call sent to `model`, soon; the call goes on at once."""
        if exchange.operation is _COUNT_TOKENS:
            return
        if self._active >= self.limits.max_active:
            self.dropped.add("busy")
            return
        self._active += 1
        served = "" if exchange.target is None else exchange.target.name
        self._spawn(self._follow(exchange.copied(), model, served))

    async def _follow(self, copy: Exchange, model: str, served: str) -> None:
        try:
            target = self._target(copy, model, served)
            if isinstance(target, str):
                self.dropped.add(target)
                return
            copy.target, copy.total_s = target, self.limits.timeout_s
            await self._send(copy)
        finally:
            self._active -= 1

    def _target(self, copy: Exchange, model: str, served: str) -> Target | Reason:
        """Return where a copy goes, or why it goes nowhere."""
        if acts_by_itself(copy.body):
            return "tools"
        target = next(self._known(copy, model), None)
        if target is None:
            return "unknown"
        if target.name == served:
            return "same"
        return target if self.available(target.name) else "unavailable"

    def _known(self, copy: Exchange, model: str) -> Iterator[Target]:
        for candidate in self._router.behind(model, facts_of(copy)):
            with contextlib.suppress(ModelNotFound):
                yield self._catalog.resolve(candidate.name)

    async def _send(self, copy: Exchange) -> None:
        """Send a copy and read its answer to the end; settled it is in any case."""
        self._settlement.begin()
        error: NarthexError | None = Cancelled("this server stopped before the copy was answered")
        try:
            error = await self._answered(copy)
        except Exception:
            error = InternalError()
            raise
        finally:
            answer = copy.answer
            if answer is not None and not answer.closed:
                answer.cancel()
            self._settlement.end(copy, error)

    async def _answered(self, copy: Exchange) -> NarthexError | None:
        """Return why there is no whole answer; None if there is one."""
        try:
            async with asyncio.timeout(self.limits.timeout_s):
                await self._attempt(copy)
                assert copy.answer is not None
                await drain(copy.answer)
        except NarthexError as error:
            return error
        except TimeoutError:
            return DeadlineExceeded(f"the copy took longer than {self.limits.timeout_s:g} s, `shadows.timeout_s`")
        return None


class _Tool(msgspec.Struct):
    type: str | None = None


class _Acting(msgspec.Struct):
    tools: tuple[_Tool, ...] | None = None
    mcp_servers: object = None
    web_search_options: object = None


_decode = msgspec.json.Decoder(_Acting).decode


def acts_by_itself(body: bytes) -> bool:
    """Tell whether the provider would run tools for a call: what they do would be done twice."""
    if not any(mark in body for mark in _ACTING):
        return False
    try:
        acting = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # Nobody knows what this does.
        return True
    if acting.mcp_servers or acting.web_search_options is not None:
        return True
    tools = acting.tools
    return tools is not None and any(map(_runs_at_its_provider, tools))


def _runs_at_its_provider(tool: _Tool) -> bool:
    return tool.type is not None and not tool.type.startswith(_RUN_BY_CALLERS)
