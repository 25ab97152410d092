"""A remote provider with several keys: each call uses the next, and goes on with another where one is refused."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

import msgspec

from narthex.errors import Failure, ProviderAuthentication, ProviderError, ProviderLimited
from narthex.providers.contract import Call, Reply, Timeouts, WholeReply
from narthex.providers.remote import RemoteProvider, RemoteSettings, presenting
from narthex.types.keys import KeyId, KeyReport, KeyState, NoKey

logger = logging.getLogger(__name__)

REST_S: Final = 10.0
"""How long a key rests whose provider does not say for how long it is over its limit."""
LEAST_REST_S: Final = 1.0
"""Shortest rest: a provider that asks for none has still refused the key a moment ago."""
MOST_REST_S: Final = 86_400.0
"""Longest rest: limits are counted by the day at most."""

_REFUSALS: Final = frozenset({Failure.AUTHENTICATION, Failure.QUOTA_EXHAUSTED})
"""What says that the key will not do, rather than this call or this moment."""
_MASK: Final = b"[key]"
_SECRET_CHARACTERS: Final = 8

_Answer = TypeVar("_Answer", bound=Reply)
_Attempt = Callable[[Mapping[str, str], Timeouts], Awaitable[_Answer]]
"""One attempt with these headers, that show a key, within these limits."""


class KeyTurns(Protocol):
    """Says whose turn it is, and hears of each key that it gave out what was said of it."""

    def take(self) -> KeyId | NoKey:
        """Return the key to use, or say when there will be one."""
        ...

    def succeeded(self, key: KeyId) -> None:
        """Take note that the provider accepted the key."""
        ...

    def cool(self, key: KeyId, until_s: float) -> None:
        """Let the key rest until a time of the clock."""
        ...

    def retire(self, key: KeyId, reason: str) -> None:
        """Set the key aside, which was refused."""
        ...

    def abandoned(self, key: KeyId) -> None:
        """Take note that the call ended without a word about its key."""
        ...

    def snapshot(self) -> tuple[KeyReport, ...]:
        """Return how every key stands."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKeys:
    """The keys of one provider."""

    secrets: Mapping[KeyId, str] = field(repr=False)
    turns: KeyTurns
    """Whose turn it is among exactly these."""
    clock: Callable[[], float] = time.monotonic
    """The clock that `turns` goes by."""


class KeyedProvider(RemoteProvider):
    """Speaks with one address, with several keys.

    A key over its rate limit rests, a refused one is set aside, and the same call goes on at once with the next. The
    caller hears of it only when no key is left.
    """

    def __init__(self, settings: RemoteSettings, keys: ProviderKeys) -> None:
        super().__init__(dataclasses.replace(settings, api_key=None))
        self._keys = keys
        self._turns = keys.turns
        self._presented = {key: presenting(secret, settings.kind) for key, secret in keys.secrets.items()}
        # What is shorter is no secret, and may be a word of the error.
        secrets = (secret for secret in keys.secrets.values() if len(secret) >= _SECRET_CHARACTERS)
        self._quotable = tuple(secret.encode() for secret in secrets)

    async def send(self, call: Call) -> Reply:
        """Make one attempt with each key that may be used, until one is accepted.

        Raises:
            ProviderError: As of every provider; also if no key may be used now.
        """
        send = super().send

        def attempt(headers: Mapping[str, str], limits: Timeouts) -> Awaitable[Reply]:
            return send(msgspec.structs.replace(call, headers={**call.headers, **headers}, timeouts=limits))

        return await self._in_turn(attempt, call.timeouts)

    async def _ask_for_models(self, headers: Mapping[str, str], limits: Timeouts) -> WholeReply:
        ask = super()._ask_for_models

        def attempt(key: Mapping[str, str], left: Timeouts) -> Awaitable[WholeReply]:
            return ask({**headers, **key}, left)

        return await self._in_turn(attempt, limits)

    def key_reports(self) -> tuple[KeyReport, ...]:
        """Return how each key stands, in the order of the configuration."""
        return self._turns.snapshot()

    async def _in_turn(self, attempt: _Attempt[_Answer], limits: Timeouts) -> _Answer:
        """Attempt with one key after the other; the last refusal is the answer where every key met one."""
        now = asyncio.get_running_loop().time
        deadline = now() + limits.total_s
        answer: _Answer | None = None
        for _ in self._presented:
            key = self._turns.take()
            if isinstance(key, NoKey):
                if answer is None:
                    raise self._no_key(key)
                break
            answer, is_settled = await self._with(key, attempt, limits)
            left_s = deadline - now()
            if is_settled or left_s <= 0:
                break
            limits = msgspec.structs.replace(limits, total_s=left_s)
        assert answer is not None
        return answer

    async def _with(self, key: KeyId, attempt: _Attempt[_Answer], limits: Timeouts) -> tuple[_Answer, bool]:
        """Attempt with one key; return the answer, and whether it was not the key that was refused."""
        try:
            answer = await attempt(self._presented[key], limits)
        except BaseException:
            self._turns.abandoned(key)
            raise
        if not isinstance(answer, WholeReply) or answer.status < 400:
            self._turns.succeeded(key)
            return answer, True
        answer.body = self._without_keys(answer.body)
        return answer, self._heard(key, answer)

    def _heard(self, key: KeyId, answer: WholeReply) -> bool:
        """Tell the pool what an error says of a key; return whether the key may not be what is wrong."""
        error = self._refusal(answer)
        if answer.status == 401 or (answer.status < 500 and error.failure in _REFUSALS):
            self._turns.retire(key, error.failure.value)
            logger.warning("providers.%s: %s is set aside (%s)", self.name, key, error.failure.value)
            return False
        if answer.status < 500 and error.failure is Failure.RATE_LIMITED:
            wait_s = REST_S if error.retry_after_s is None else error.retry_after_s
            self._turns.cool(key, self._keys.clock() + min(max(wait_s, LEAST_REST_S), MOST_REST_S))
            return False
        self._turns.abandoned(key)
        return True

    def _without_keys(self, body: bytes) -> bytes:
        """Return an error's body without the keys that it may quote."""
        for secret in self._quotable:
            body = body.replace(secret, _MASK)
        return body

    def _no_key(self, none: NoKey) -> ProviderError:
        """Say why nothing was attempted."""
        wait = f"the next may be used in {none.usable_in_s:.0f} s"
        if none.state is KeyState.COOLING:
            message = f"every key of {self.name!r} is over its rate limit or refused; {wait}"
            failure = Failure.RATE_LIMITED
        elif any(report.reason == Failure.QUOTA_EXHAUSTED for report in self._turns.snapshot()):
            message = f"every key of {self.name!r} is refused or out of quota; {wait}; check its accounts"
            failure = Failure.QUOTA_EXHAUSTED
        else:
            message = f"{self.name!r} refused every key that this server holds for it; {wait}; set others in `api_keys`"
            failure = Failure.AUTHENTICATION
        leaf = ProviderAuthentication if failure is Failure.AUTHENTICATION else ProviderLimited
        return leaf(message, provider=self.name, failure=failure, retryable=True, retry_after_s=none.usable_in_s)
