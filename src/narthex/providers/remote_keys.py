"""A remote provider with several keys: each call uses the next, and goes on with another where one is refused."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import msgspec

from narthex.providers.contract import Call, Reply, StreamReply, Timeouts, WholeReply
from narthex.providers.key_books import KeyBooks, ProviderKeys, refused
from narthex.providers.remote import RemoteProvider, RemoteSettings, presenting
from narthex.types.keys import KeyId, NoKey

_Answer = TypeVar("_Answer", bound=Reply)
_Attempt = Callable[[Mapping[str, str], Timeouts], Awaitable[_Answer]]
"""One attempt with these headers, that show a key, within these limits."""


class KeyedProvider(RemoteProvider):
    """Speaks with one address, with several keys.

    A key over its rate limit rests, a refused one is set aside, and the same call goes on at once with the next. The
    caller hears of it only when no key is left.
    """

    books: KeyBooks

    def __init__(self, settings: RemoteSettings, keys: ProviderKeys) -> None:
        super().__init__(dataclasses.replace(settings, api_key=None), keys)
        self._turns = keys.turns
        self._presented = {key: presenting(secret, settings.kind) for key, secret in keys.secrets.items()}

    async def send(self, call: Call) -> Reply:
        """Make one attempt with each key that may be used, until one is accepted.

        Raises:
            ProviderError: As of every provider; also if no key may be used now.
        """
        send = super().send
        if call.on_trial:
            return await self._on_trial(send, call)

        def attempt(headers: Mapping[str, str], limits: Timeouts) -> Awaitable[Reply]:
            return send(msgspec.structs.replace(call, headers={**call.headers, **headers}, timeouts=limits))

        return await self._in_turn(attempt, call.timeouts, call.prefix)

    async def _on_trial(self, send: Callable[[Call], Awaitable[Reply]], call: Call) -> Reply:
        """Make one attempt with one key, of which nothing is taken down."""
        key = self._turns.take()
        if isinstance(key, NoKey):
            raise self.books.no_key(key)
        try:
            reply = await send(msgspec.structs.replace(call, headers={**call.headers, **self._presented[key]}))
        finally:
            self._turns.abandoned(key)
        if isinstance(reply, WholeReply) and reply.status >= 400:
            reply.body = self.books.without_keys(reply.body)
        return reply

    async def _ask_for_models(self, headers: Mapping[str, str], limits: Timeouts) -> WholeReply:
        ask = super()._ask_for_models

        def attempt(key: Mapping[str, str], left: Timeouts) -> Awaitable[WholeReply]:
            return ask({**headers, **key}, left)

        return await self._in_turn(attempt, limits)

    async def _in_turn(self, attempt: _Attempt[_Answer], limits: Timeouts, prefix: bytes = b"") -> _Answer:
        """Attempt with one key after the other; the last refusal is the answer where every key met one."""
        now = asyncio.get_running_loop().time
        deadline = now() + limits.total_s
        answer: _Answer | None = None
        for _ in self._presented:
            key = self._turns.take(prefix)
            if isinstance(key, NoKey):
                if answer is None:
                    raise self.books.no_key(key)
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
        error = refused(answer)
        if error is None:
            self._turns.succeeded(key)
            if isinstance(answer, WholeReply | StreamReply):
                self.books.told(key, answer.headers)
            return answer, True
        error.body = self.books.without_keys(error.body)
        return answer, self.books.heard(key, error.status, self._refusal(error))
