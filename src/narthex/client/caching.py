"""Answers that a gateway has before they are asked for: made on demand, predicted, and how that does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from narthex.client import async_controllers, controllers
from narthex.client.calls import Read, reader
from narthex.client.http1 import HttpRequest


class Warmed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one request that was made to have its answer in the cache."""

    index: int
    """Its place among those that were given, from 0 on."""
    request_id: str
    status: Literal["kept", "not kept", "failed"]
    key: str | None
    """Of the answer in the cache."""
    code: str | None
    """Why there is no answer, as errors have it."""
    message: str | None


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """A question that is likely to be asked next."""

    key: str
    """Of its answer in the cache."""
    probability: float
    needed: float
    """From which probability on it pays to have it answered early."""
    pays: bool
    held: bool
    """Whether its answer is there already."""
    model: str | None
    """`provider/model`; None where it is not known any more how it was asked, or it may not be asked early."""


class Prefetched(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a question that was to be answered early."""

    key: str
    rung: str
    """What was done last for it: `retrieval`, `embeddings` or `generation`."""
    outcome: str
    """`made`, or why it was not."""


class RungInsight(msgspec.Struct, frozen=True, kw_only=True):
    """How the predictions come true on which something is done."""

    rung: str
    """What is done: `retrieval`, `embeddings`, `prefix` or `generation`."""
    open_bets: int
    won: int
    lost: int
    share: float | None
    """Of the last bets, those that were won; None before any."""
    proved: float
    """The share that is proved by them."""
    used: int
    """What was done and of use."""
    wasted: int


class PrincipalInsight(msgspec.Struct, frozen=True, kw_only=True):
    """How predictions do for one user of one key."""

    workspace_id: str
    key_id: str
    user_id: str
    sessions: int
    contexts: int
    """What was learned of what follows what."""
    rungs: tuple[RungInsight, ...]
    """The cheapest first; none that was never bet on."""


class Insights(msgspec.Struct, frozen=True, kw_only=True):
    """How predictions do, since the process that answers began."""

    enabled: bool
    everything: bool
    """Whether it is of all workspaces, or of one's own."""
    rungs: tuple[str, ...]
    """What is done early."""
    least_probability: float
    budget_usd_per_day: float
    spent_usd: str
    outcomes: dict[str, dict[str, int]]
    """What became of what was to be done, by rung and outcome; empty for whoever sees one workspace alone."""
    used: int
    """Vectors and answers that were made early and asked for."""
    wasted: int
    """Those that were not in time."""
    principals: tuple[PrincipalInsight, ...]


class _Warming(msgspec.Struct):
    data: tuple[Warmed, ...]


class _Predictions(msgspec.Struct):
    data: tuple[Prediction, ...]


class _Prefetching(msgspec.Struct):
    data: tuple[Prefetched, ...]


_INSIGHTS: Final = HttpRequest(method="GET", path="/api/cache/insights")
_read_warming: Final[Read[_Warming]] = reader(_Warming, "what was warmed")
_read_predictions: Final[Read[_Predictions]] = reader(_Predictions, "the predictions")
_read_prefetching: Final[Read[_Prefetching]] = reader(_Prefetching, "what was prefetched")
_read_insights: Final[Read[Insights]] = reader(Insights, "the insights")


def _warm_request(
    requests: Sequence[Mapping[str, object]], tags: Sequence[str], ttl_s: float | None, parallel: int | None
) -> HttpRequest:
    body: dict[str, object] = {"requests": requests, "tags": tags, "ttl_s": ttl_s}
    return _posted("warm", body if parallel is None else body | {"parallel": parallel})


def _posted(verb: str, body: Mapping[str, object]) -> HttpRequest:
    return HttpRequest(method="POST", path=f"/api/cache/{verb}", body=msgspec.json.encode(body))


class Cache:
    """The cache of a gateway, as whoever has this key sees it."""

    def __init__(self, asking: controllers.Asking) -> None:
        self._asking = asking

    def warm(
        self,
        requests: Sequence[Mapping[str, object]],
        *,
        tags: Sequence[str] = (),
        ttl_s: float | None = None,
        parallel: int | None = None,
    ) -> tuple[Warmed, ...]:
        """Have requests answered now, so that their answers are there; tell what became of each.

        Args:
            requests: Each a body for `/v1/chat/completions`.
            tags: What their answers can be declared void by.
            ttl_s: How long they are fresh, in seconds; by default as the gateway's rules say.
            parallel: How many go out at once.
        """
        return self._asking.whole(_warm_request(requests, tags, ttl_s, parallel), _read_warming).data

    def predict(self, conversation: str = "") -> tuple[Prediction, ...]:
        """Return what is likely to be asked next, the likeliest first; nothing is sent to any model.

        Args:
            conversation: As in `x-narthex-conversation`, or the end user; nothing for calls that say neither.
        """
        return self._asking.whole(_posted("predict", {"conversation": conversation}), _read_predictions).data

    def prefetch(self, conversation: str = "") -> tuple[Prefetched, ...]:
        """Have answered what is likely to be asked next and what pays; see `predict()`."""
        return self._asking.whole(_posted("prefetch", {"conversation": conversation}), _read_prefetching).data

    def insights(self) -> Insights:
        """Return how predictions do."""
        return self._asking.whole(_INSIGHTS, _read_insights)


class AsyncCache:
    """The cache of a gateway, as whoever has this key sees it; see `Cache`."""

    def __init__(self, asking: async_controllers.AsyncAsking) -> None:
        self._asking = asking

    async def warm(
        self,
        requests: Sequence[Mapping[str, object]],
        *,
        tags: Sequence[str] = (),
        ttl_s: float | None = None,
        parallel: int | None = None,
    ) -> tuple[Warmed, ...]:
        """Have requests answered now, so that their answers are there; see `Cache.warm()`."""
        return (await self._asking.whole(_warm_request(requests, tags, ttl_s, parallel), _read_warming)).data

    async def predict(self, conversation: str = "") -> tuple[Prediction, ...]:
        """Return what is likely to be asked next; see `Cache.predict()`."""
        return (await self._asking.whole(_posted("predict", {"conversation": conversation}), _read_predictions)).data

    async def prefetch(self, conversation: str = "") -> tuple[Prefetched, ...]:
        """Have answered what is likely to be asked next and what pays; see `Cache.prefetch()`."""
        return (await self._asking.whole(_posted("prefetch", {"conversation": conversation}), _read_prefetching)).data

    async def insights(self) -> Insights:
        """Return how predictions do."""
        return await self._asking.whole(_INSIGHTS, _read_insights)
