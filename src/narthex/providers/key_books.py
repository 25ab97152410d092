"""The books of a provider's keys: what was said of each, how it stands, and the hand that takes it out and back."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, Protocol

from narthex.errors import Failure, ProviderAuthentication, ProviderError, ProviderLimited
from narthex.providers.contract import KeyHolding, Provider, WholeReply
from narthex.types.keys import KeyId, KeyReport, KeyState, NoKey
from narthex.wire.rate_limits import are_told, read_limits

logger = logging.getLogger(__name__)

REST_S: Final = 10.0
"""How long a key rests whose provider does not say for how long it is over its limit."""
LEAST_REST_S: Final = 1.0
"""Shortest rest: a provider that asks for none has still refused the key a moment ago."""
MOST_REST_S: Final = 86_400.0
"""Longest rest: limits are counted by the day at most."""
SHOWN_CHARACTERS: Final = 4
"""So many of a key's last characters are shown."""

_SOME_TOKENS: Final = 0.05
"""Of all tokens of a key, how many are to be there again before it is used again."""
_REFUSALS: Final = frozenset({Failure.AUTHENTICATION, Failure.QUOTA_EXHAUSTED})
"""What says that the key will not do, rather than this call or this moment."""
_MASK: Final = b"[key]"
_SECRET_CHARACTERS: Final = 8
_LONG_CHARACTERS: Final = 16
"""Of a shorter key its last characters would tell too much."""


class KeyTurns(Protocol):
    """Says whose turn it is, and hears of each key that it gave out what was said of it."""

    barred: bool
    """Whether no key may be used until a hand returns one."""

    def take(self, prefix: bytes = b"") -> KeyId | NoKey:
        """Return the key to use, by how the call begins if that is given, or say when there will be one."""
        ...

    def next(self, prefix: bytes = b"") -> KeyId | None:
        """Return the key that `take` would, and use up nobody's turn; None where no key may be used."""
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

    def withdraw(self, key: KeyId) -> None:
        """Take the key out of service by hand."""
        ...

    def restore(self, key: KeyId) -> None:
        """Bring the key back by hand."""
        ...

    def adopt(self, report: KeyReport) -> None:
        """Have a key stand as a report of the same one says."""
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
    follows: bool = True
    """Whether keys rest by what the headers of answers tell of their rate limits."""


class KeyBooks:
    """Tells the pool of keys what each answer means for the key that was shown."""

    def __init__(self, provider: str, keys: ProviderKeys) -> None:
        self._provider = provider
        self._keys = keys
        self.turns = keys.turns
        # What is shorter is no secret, and may be a word of the error.
        secrets = (secret for secret in keys.secrets.values() if len(secret) >= _SECRET_CHARACTERS)
        self._quotable = tuple(secret.encode() for secret in secrets)

    def heard(self, key: KeyId, status: int, error: ProviderError) -> bool:
        """Tell the pool what an error says of a key; return whether the key may not be what is wrong."""
        if status == 401 or (status < 500 and error.failure in _REFUSALS):
            self._refused(key, error.failure.value)
            return False
        if status < 500 and error.failure is Failure.RATE_LIMITED:
            wait_s = REST_S if error.retry_after_s is None else error.retry_after_s
            self.turns.cool(key, self._keys.clock() + min(max(wait_s, LEAST_REST_S), MOST_REST_S))
            return False
        self.turns.abandoned(key)
        return True

    def told(self, key: KeyId, headers: Mapping[str, str]) -> None:
        """Let a key rest of whose limits an answer tells that nothing is left, before it must be refused."""
        if not self._keys.follows or not are_told(headers):
            return
        told = read_limits(headers, wall=time.time())
        wait_s = 0.0
        if told.requests is not None and not told.requests.remaining:
            # It comes in evenly, as most count; of one that counts otherwise a refusal tells for how long.
            wait_s = told.requests.resets_s / max(1, told.requests.limit or 1)
        if told.tokens is not None and not told.tokens.remaining:
            wait_s = max(wait_s, told.tokens.resets_s * _SOME_TOKENS)
        if wait_s > 0:
            self.turns.cool(key, self._keys.clock() + wait_s)

    def _refused(self, key: KeyId, reason: str) -> None:
        before = next(one for one in self.turns.snapshot() if one.key == key)
        self.turns.retire(key, reason)
        if before.state is not KeyState.USABLE or before.reason != reason:
            logger.warning("providers.%s: %s is refused (%s)", self._provider, key, reason)

    def without_keys(self, body: bytes) -> bytes:
        """Return an error's body without the keys that it may quote."""
        for secret in self._quotable:
            body = body.replace(secret, _MASK)
        return body

    def take_over(self, before: KeyBooks) -> None:
        """Have each key stand as it does in the books before these, whatever it is called there."""
        known = {before._keys.secrets[report.key]: report for report in before.turns.snapshot()}
        for key, secret in self._keys.secrets.items():
            report = known.get(secret)
            if report is not None:
                self.turns.adopt(dataclasses.replace(report, key=key))

    def reports(self) -> tuple[KeyReport, ...]:
        """Return how each key stands, in the order of the configuration."""
        secrets = self._keys.secrets
        return tuple(dataclasses.replace(one, ends=_end(secrets[one.key])) for one in self.turns.snapshot())

    def marks(self, pepper: str) -> dict[KeyId, str]:
        """Return a mark of each key, the same wherever the same key is held, from which no key can be told."""
        seasoning = blake2b(f"narthex provider key {pepper}".encode(), digest_size=32).digest()
        return {
            key: blake2b(secret.encode(), key=seasoning, digest_size=16).hexdigest()
            for key, secret in self._keys.secrets.items()
        }

    def no_key(self, none: NoKey) -> ProviderError:
        """Say why nothing was attempted."""
        name = self._provider
        reports = self.turns.snapshot()
        wait = f"the next may be used in {none.usable_in_s:.0f} s"
        failure = Failure.AUTHENTICATION
        if none.usable_in_s == math.inf:
            message = f"every key of {name!r} was taken out of service; `PUT /api/provider-keys/{name}/…` returns one"
        elif none.state is KeyState.COOLING:
            message = f"every key of {name!r} is over its rate limit or refused; {wait}"
            failure = Failure.RATE_LIMITED
        elif any(report.reason == Failure.QUOTA_EXHAUSTED for report in reports):
            message = f"every key of {name!r} is refused or out of quota; {wait}; check its accounts"
            failure = Failure.QUOTA_EXHAUSTED
        else:
            message = f"{name!r} refused every key that this server holds for it; {wait}; set others in `api_keys`"
        leaf = ProviderAuthentication if failure is Failure.AUTHENTICATION else ProviderLimited
        wait_s = none.usable_in_s if none.usable_in_s < math.inf else None
        error = leaf(message, provider=name, failure=failure, retryable=True, retry_after_s=wait_s)
        error.lies_with_us = any(report.by_hand for report in reports)
        return error


class SoleKey:
    """The only key of a provider: what is said of it is noted, and only a hand takes it out of service."""

    __slots__ = ("_books", "_key", "turns")

    def __init__(self, books: KeyBooks) -> None:
        self._books = books
        self.turns = books.turns
        self._key = books.turns.snapshot()[0].key

    def heard(self, error: WholeReply | None, meaning: Callable[[WholeReply], ProviderError]) -> bool:
        """Note what an answer says of the key, None being one without error; return whether all is well with it."""
        if error is None:
            self.turns.succeeded(self._key)
            return True
        error.body = self._books.without_keys(error.body)
        return self._books.heard(self._key, error.status, meaning(error))

    def withdrawn(self) -> ProviderError:
        """Return the error of a call that would need it."""
        return self._books.no_key(NoKey(usable_in_s=math.inf, state=KeyState.RETIRED))


def refused(reply: object) -> WholeReply | None:
    """Return an answer that is an error, which may say something about its key."""
    return reply if isinstance(reply, WholeReply) and reply.status >= 400 else None


def reports_by_provider(providers: Iterable[Provider]) -> dict[str, tuple[KeyReport, ...]]:
    """Return how the keys stand of each provider that has any."""
    reports = {one.name: one.key_reports() for one in providers if isinstance(one, KeyHolding)}
    return {name: each for name, each in reports.items() if each}


def key_lines(reports: Mapping[str, Iterable[KeyReport]]) -> Iterator[str]:
    """Yield how the keys of providers stand, in Prometheus's text format.

    https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    yield "# HELP narthex_provider_keys Keys of a provider, by state."
    yield "# TYPE narthex_provider_keys gauge"
    for name, each in reports.items():
        states = [report.state for report in each]
        for state in KeyState:
            yield f'narthex_provider_keys{{provider="{name}",state="{state}"}} {states.count(state)}'


def _end(secret: str) -> str:
    return secret[-SHOWN_CHARACTERS:] if len(secret) >= _LONG_CHARACTERS else ""
