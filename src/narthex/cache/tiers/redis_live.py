"""Answers told from process to process over Redis or Valkey while they are being made, where somebody waits for them.

    narthex:cache:s:KEY:TOKEN:FORM   a stream: what was told of the answer that is made under this lease, in this form
    narthex:cache:p:NAME             the channel on which a process hears what others want of it, and that there is more

Whoever waits for an answer tells the process that makes it that it wants to hear it, and says so again every second.
Only then, and for as long as that goes on, is anything written here. The stream is as that of `stream_records`: the ID
of an entry is the number of the last piece in it, so nothing comes twice and nothing is missed unseen.

    0-1    h: what it is
    12-0   r: pieces 1 to 12
    12-1   e: what was said at the end
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Final, cast

from narthex.cache.leases import Lease
from narthex.cache.live import Hearing, LiveAnswers, Speaker, Telling
from narthex.stores.link import StoreUnavailable, raise_if_cancelled
from narthex.stores.stream_records import END, EVENTS, pack, unpack

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

logger = logging.getLogger(__name__)

WATCH_S: Final = 0.5
"""How often it is looked, without being told, whether there is more of what is heard, and whether its maker lives."""
RENEW_S: Final = 1.0
"""How often a process says that it still wants to hear something."""
SILENT_S: Final = 5.0
"""After how long of saying nothing it does not."""
LIFE_MS: Final = 60_000
"""How long what was told can be heard, from the last of it on."""
_HEAD: Final = b"h"
_HEAD_ID: Final = "0-1"
_PAGE: Final = 16
"""Entries that are read at once."""
_MAX_WISHES: Final = 1_000
"""Calls without an answer yet of which it is known who wants to hear them."""

_Page = list[tuple[bytes, dict[bytes, bytes]]]


class RedisLive:
    """The answers of this process that others hear, and those of others that are heard here."""

    def __init__(self, prefix: str, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without any.

        Args:
            prefix: Begins every name on the server.
            name: Of this process; begins the tokens of its leases.
            clock: Says the seconds.
        """
        self._stem, self._leases = f"{prefix}:cache:s:", f"{prefix}:cache:l:"
        self._channels = f"{prefix}:cache:p:"
        self._name, self._clock = name, clock
        self._is_open = False
        self._offers: dict[str, tuple[bytes, Speaker]] = {}
        self._wishes: dict[str, dict[str, tuple[str, float]]] = {}
        self._tellings: dict[str, tuple[bytes, Telling]] = {}
        self._told_at: dict[str, float] = {}
        self._hearings: dict[Hearing, _Looks] = {}
        self._posts: list[tuple[str, str]] = []
        self._to_tell, self._to_hear = asyncio.Event(), asyncio.Event()
        self.when_begun: Callable[[bytes], None] = lambda _key: None
        """Called with the key of a question of whose answer there is something."""
        self.when_told: Callable[[], None] = lambda: None
        """Called when one more answer is told to its end, or no further."""

    def left(self) -> None:
        """Tell nothing, and hear nothing more: the connection is lost."""
        self._is_open = False
        tellings, self._tellings = self._tellings, {}
        hearings, self._hearings = self._hearings, {}
        self._offers.clear()
        self._wishes.clear()
        self._posts.clear()
        self._told_at.clear()
        for _, telling in tellings.values():
            telling.stop()
        for hearing in hearings:
            hearing.lose()

    # -- ours ------------------------------------------------------------------------------------------------------

    def offer(self, lease: Lease, speaker: Speaker) -> None:
        """See `LiveAnswers`."""
        if not self._is_open:
            return
        self._offers[lease.token] = (lease.key, speaker)
        for who, (form, at) in self._wishes.pop(lease.token, {}).items():
            if self._clock() - at < SILENT_S:
                self._wished(lease.token, form, who)

    def is_telling(self, token: str) -> bool:
        """Tell whether something is still to be told of what is made under a lease."""
        return token in self._tellings

    def withdraw(self, token: str) -> None:
        """Offer no longer what was made under a lease; what is being told goes on."""
        self._offers.pop(token, None)
        self._wishes.pop(token, None)

    def _wished(self, token: str, form: str, who: str) -> None:
        """Take note that a process wants to hear, or still does."""
        known = self._tellings.get(token)
        if known is not None:
            if known[1].form == form.encode():
                known[1].listeners[who] = self._clock()
        elif token not in self._offers:
            # There is no answer yet.
            while len(self._wishes) >= _MAX_WISHES:
                del self._wishes[next(iter(self._wishes))]
            self._wishes.setdefault(token, {})[who] = (form, self._clock())
        elif self._offers[token][1].form == form.encode() and not self._begin(token, who):
            self._post(who, f"! {token}")

    def _begin(self, token: str, who: str) -> bool:
        key, speaker = self._offers[token]
        telling = Telling(token, speaker.form, self._to_tell.set)
        if not speaker.begin(telling):
            return False
        if telling.is_behind:
            # Its beginning would be gone before it could be heard.
            telling.stop()
            return False
        telling.listeners[who] = self._clock()
        self._tellings[token] = (key, telling)
        self._to_tell.set()
        return True

    def _leaves(self, token: str, who: str) -> None:
        known = self._tellings.get(token)
        if known is not None:
            known[1].listeners.pop(who, None)
            self._to_tell.set()
        self._wishes.get(token, {}).pop(who, None)

    def _break_off(self, telling: Telling) -> None:
        """Tell no further."""
        for who in telling.listeners:
            self._post(who, f"! {telling.token}")
        self._is_told(telling)

    def _is_told(self, telling: Telling) -> None:
        if self._tellings.pop(telling.token, None) is not None:
            self._told_at.pop(telling.token, None)
            telling.stop()
            self.when_told()

    def _post(self, who: str, message: str) -> None:
        self._posts.append((self._channels + who, message))
        self._to_tell.set()

    async def tell(self, client: Redis) -> None:
        """Tell what there is to tell until cancelled."""
        self._is_open = True
        while True:
            raise_if_cancelled()
            self._to_tell.clear()
            self._let_go()
            while self._posts or any(map(self._is_due, self._tellings.values())):
                await self._tell(client)
                raise_if_cancelled()
            await _woken(self._to_tell, RENEW_S if self._tellings else None)

    def _is_due(self, one: tuple[bytes, Telling]) -> bool:
        """Tell whether there is something to tell, or what was told is about to go."""
        telling = one[1]
        return telling.has_news or self._clock() - self._told_at.get(telling.token, math.inf) > LIFE_MS / 3_000

    def _let_go(self) -> None:
        """Stop telling what nobody wants to hear any more, or what cannot be told as fast as it comes."""
        silent_since = self._clock() - SILENT_S
        for _, telling in tuple(self._tellings.values()):
            for who, at in tuple(telling.listeners.items()):
                if at < silent_since:
                    del telling.listeners[who]
            if not telling.listeners:
                self._is_told(telling)
            elif telling.is_behind:
                self._break_off(telling)

    async def _tell(self, client: Redis) -> None:
        pipe = client.pipeline(transaction=False)
        posts, self._posts = self._posts, []
        for channel, message in posts:
            pipe.publish(channel, message)
        ends, told = [len(pipe)], [one for one in self._tellings.values() if self._is_due(one)]
        for key, telling in told:
            self._write(pipe, key, telling)
            ends.append(len(pipe))
        finished = [telling.words is not None for _, telling in told]
        answers = await pipe.execute(raise_on_error=False)
        for (_, telling), (begin, end), is_finished in zip(told, pairwise(ends), finished, strict=True):
            error = next((one for one in answers[begin:end] if isinstance(one, Exception)), None)
            if error is not None:
                logger.warning("cache: an answer is told to other processes no further: %s", error)
                self._break_off(telling)
            elif is_finished:
                self.withdraw(telling.token)
                self._is_told(telling)
        self._let_go()

    def _write(self, pipe: Pipeline, key: bytes, telling: Telling) -> None:
        name = self._stream(key, telling.token, telling.form)
        self._told_at[telling.token] = self._clock()
        if not telling.told:
            # What was told of it before, to others who left, is told again.
            pipe.delete(name)
            pipe.xadd(name, {_HEAD: telling.head}, id=_HEAD_ID)
        for last, pieces, held in telling.take():
            minid = f"{held}-0" if held else None
            pipe.xadd(name, {EVENTS: pack(pieces)}, id=f"{last}-0", minid=minid, approximate=False)
        if telling.words is not None:
            pipe.xadd(name, {END: telling.words}, id=f"{telling.told}-1")
        pipe.pexpire(name, LIFE_MS)
        for who in telling.listeners:
            pipe.publish(self._channels + who, f"+ {telling.token}")

    def _stream(self, key: bytes, token: str, form: bytes) -> str:
        return f"{self._stem}{key.hex()}:{token}:{form.decode()}"

    # -- those of others -------------------------------------------------------------------------------------------

    def hear(self, key: bytes, token: str, form: bytes) -> Hearing | None:
        """See `LiveAnswers`."""
        if not self._is_open or not token:
            return None
        hearing = Hearing(key, token, form, self._unheard)
        hearing.when_released = self._to_hear.set
        self._hearings[hearing] = _Looks(self._clock())
        self._wish(hearing)
        # Whoever listens begins to watch.
        self._to_hear.set()
        return hearing

    def _wish(self, hearing: Hearing) -> None:
        self._hearings[hearing].wished_at = self._clock()
        self._say(hearing, f"? {hearing.token} {hearing.form.decode()} {self._name}")

    def _say(self, hearing: Hearing, message: str) -> None:
        """Say something to the process that has the lease."""
        self._post(hearing.token.partition(":")[0], message)

    def _unheard(self, hearing: Hearing) -> None:
        if self._hearings.pop(hearing, None) is not None and not any(
            one.token == hearing.token for one in self._hearings
        ):
            self._say(hearing, f"- {hearing.token} {self._name}")

    def heard(self, message: bytes) -> bool:
        """Take what was said on the channel of this process; False if it is not about this."""
        match message.decode("ascii", "replace").split(" "):
            case ["?", token, form, who]:
                self._wished(token, form, who)
            case ["-", token, who]:
                self._leaves(token, who)
            case ["+" | "!" as word, token]:
                for hearing, looks in self._hearings.items():
                    if hearing.token == token:
                        looks.is_due, looks.is_given_up = True, looks.is_given_up or word == "!"
                self._to_hear.set()
            case _:
                return False
        return True

    async def listen(self, client: Redis) -> None:
        """Hear what there is to hear until cancelled."""
        while True:
            raise_if_cancelled()
            self._to_hear.clear()
            self._watch()
            while due := [(one, looks) for one, looks in self._hearings.items() if looks.is_due and not one.is_held]:
                await self._hear(client, due)
                raise_if_cancelled()
            await _woken(self._to_hear, WATCH_S if self._hearings else None)

    def _watch(self) -> None:
        """Look now and then for what nobody has told of, and say that it is still wanted."""
        now = self._clock()
        for hearing, looks in self._hearings.items():
            looks.is_due = looks.is_due or now - looks.at >= WATCH_S
            if now - looks.wished_at >= RENEW_S:
                self._wish(hearing)

    async def _hear(self, client: Redis, due: Sequence[tuple[Hearing, _Looks]]) -> None:
        pipe = client.pipeline(transaction=False)
        for hearing, looks in due:
            looks.is_due, looks.at = False, self._clock()
            # In this order: a lease ends when all is told.
            pipe.get(self._leases + hearing.key.hex())
            pipe.xrange(self._stream(hearing.key, hearing.token, hearing.form), min=f"({looks.seen}", count=_PAGE)
        answers = await pipe.execute()
        for (hearing, looks), holder, page in zip(due, answers[::2], answers[1::2], strict=True):
            self._take(hearing, looks, cast("_Page", page), is_held=holder == hearing.token.encode())

    def _take(self, hearing: Hearing, looks: _Looks, page: _Page, *, is_held: bool) -> None:
        """Take in what was read of one; `is_held` says whether the lease is still there that it is made under."""
        if hearing not in self._hearings:
            return
        had_begun, now = hearing.has_begun, self._clock()
        if page:
            looks.seen, looks.came_at, looks.is_due = page[-1][0].decode(), now, looks.is_due or len(page) == _PAGE
            if not all(_fed(hearing, name, fields) for name, fields in page):
                hearing.lose()
        elif looks.is_given_up or (not is_held and now - looks.came_at >= WATCH_S):
            # Its maker may still live without the lease: then something comes.
            hearing.lose()
        if hearing.is_over:
            self._hearings.pop(hearing, None)
        if page:
            hearing.wake()
        if hearing.has_begun and not had_begun:
            self.when_begun(hearing.key)


class _Looks:
    """What is known of what is heard."""

    __slots__ = ("at", "came_at", "is_due", "is_given_up", "seen", "wished_at")

    def __init__(self, now: float) -> None:
        self.at = self.came_at = self.wished_at = now
        self.is_due = self.is_given_up = False
        self.seen = "0-0"


def _fed(hearing: Hearing, name: bytes, fields: dict[bytes, bytes]) -> bool:
    """Give an entry to whoever hears; False where what was between is gone, or it cannot be read."""
    if _HEAD in fields:
        hearing.head = fields[_HEAD]
        return True
    try:
        entry = unpack(name, fields)
    except StoreUnavailable:
        return False
    if entry.report is None:
        return hearing.feed(entry.first, entry.events)
    if entry.last == hearing.heard:
        hearing.words = entry.report
    return entry.last == hearing.heard


async def _woken(event: asyncio.Event, within_s: float | None) -> None:
    """Wait until something is to be done, or so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await event.wait()


_conforms: type[LiveAnswers] = RedisLive
