"""An answer that can be given again, and giving it again."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from narthex.errors import AnswerNotKept
from narthex.pipeline.estimates import estimate
from narthex.pipeline.exchange import Exchange, Tried
from narthex.providers.catalog import Target
from narthex.routing.plan import Plan
from narthex.streams.relay import relay
from narthex.streams.stream import Stream
from narthex.types.usage import Usage


@dataclass(slots=True, kw_only=True)
class Kept:
    """An answer, and what was told with its first byte: never the call itself, whose body may be large."""

    answer: Stream
    target: Target | None
    plan: Plan | None
    dropped: tuple[str, ...]
    attempts: tuple[Tried, ...]
    told: tuple[tuple[str, str], ...]
    model_answered: str | None
    simulated: bool = False
    usage: Usage | None = None
    """What it consumed, once it has ended."""
    header: tuple[str, str] = ("idempotent-replayed", "true")
    """Tells the caller that it is another call's."""

    @classmethod
    def of(cls, exchange: Exchange, answer: Stream) -> Kept:
        """Return the answer to a call, which is being written or has ended."""
        kept = cls(
            answer=answer,
            target=exchange.target,
            plan=exchange.plan,
            dropped=exchange.dropped,
            attempts=exchange.attempts,
            told=exchange.told,
            model_answered=exchange.model_answered,
            simulated=exchange.simulated,
        )
        if answer.closed:
            kept.complete(exchange)
        return kept

    @classmethod
    def read_on(cls, log: Stream) -> Kept:
        """Return an answer that its own caller reads on: nothing of it is told or billed again."""
        return cls(
            answer=log,
            target=None,
            plan=None,
            dropped=(),
            attempts=(),
            told=(),
            model_answered=None,
            header=("x-narthex-resumed", "true"),
        )

    def complete(self, exchange: Exchange) -> None:
        """Take note of what it consumed, as the books will have it."""
        if exchange.usage is None:
            exchange.usage = estimate(exchange, self.answer)
        self.usage, self.model_answered = exchange.usage, exchange.model_answered

    def give(self, exchange: Exchange) -> None:
        """Make it the answer to another call as well, from its first frame on.

        Raises:
            AnswerNotKept: Its first frames are gone.
        """
        if not self.answer.from_start:
            raise AnswerNotKept(param="idempotency-key")
        exchange.replays = self
        exchange.target, exchange.plan, exchange.dropped = self.target, self.plan, self.dropped
        exchange.attempts, exchange.told, exchange.model_answered = self.attempts, self.told, self.model_answered
        exchange.simulated = self.simulated
        exchange.answer = self.answer if self.answer.whole else relay(self.answer)
        exchange.first_frame_at = monotonic()
