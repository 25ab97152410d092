"""The page of metrics: what `GET /metrics` renders, with its labels."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import get_args

from narthex.cache.figures import HitKind, MissReason
from narthex.cache.semantic.contract import CATEGORIES
from narthex.cache.tier_figures import LATENCIES_US
from narthex.compression.contract import CodecName, Kind
from narthex.config.response_settings import ResponseSettings
from narthex.config.socket_settings import SocketSettings
from narthex.errors import Failure, Overloaded
from narthex.http.sockets.contract import Close
from narthex.http.sockets.hub import SocketHub
from narthex.pipeline.answers import RegisteredAnswers
from narthex.pipeline.cascades import Cascades
from narthex.pipeline.gateway import TaskKeeper
from narthex.pipeline.registry import KeepPolicy, Registry
from narthex.pipeline.responses import Responses, shelf_limits
from narthex.pipeline.shadows import REASONS, Dropped
from narthex.pipeline.shared_state import SharedState
from narthex.pipeline.shared_streams import SharedStreams
from narthex.policies import socket_limits
from narthex.providers.key_books import key_lines
from narthex.resilience.boards import BreakerBoard
from narthex.resilience.concurrency import LimitPolicy
from narthex.resilience.hedges import HedgeEnd, Hedges
from narthex.resilience.idempotency import IdempotencyStore
from narthex.resilience.places import Places
from narthex.resilience.recovery import Recovery, Way
from narthex.resilience.shedding import Shedder
from narthex.routing.budgets import Budget
from narthex.routing.pacing import Spending
from narthex.stores.link import LinkSettings
from narthex.stores.shelves import MemoryShelf
from narthex.telemetry.metrics import BUCKETS_S, MAX_SERIES, Metrics
from narthex.tenancy.keys import Keyring
from narthex.types.keys import KeyId, KeyReport, KeyState
from narthex.types.priorities import PRIORITIES, Priority
from scripts.pages.markdown import code, table
from scripts.pages.metric_sources import kept

_HEAD = """\
# Metrics

`GET /metrics` answers in Prometheus's text format.
Where keys are configured it needs one, as every route that tells something does.
What begins with `narthex_shadow_` is about [copies of calls](../how-to/routing.md#try-a-model-in-the-shadow), which no other metric has in it.
"""


_OUTCOME = (
    "`ok`, `replayed` for an answer [given again](../how-to/ask-twice.md), or the [code](errors.md#codes) of the error."
)
_MODEL = f"""\
`provider/model` that served the call; `none` where none was reached. \
Above {MAX_SERIES} combinations of labels, further models are counted as `other`."""

_REFUSED = "Why a call was refused: `lag`, the event loop is late; `active`, there are too many calls."


_SHARED = "Of a change that processes share: `told` to the others, or `heard` of."

_HITS = "How an answer of the cache was given: " + ", ".join(map(code, get_args(HitKind))) + "."
_MISSES = "Why none was: " + ", ".join(map(code, get_args(MissReason))) + "; why none was kept."
_PIECES = "What was compressed: " + ", ".join(map(code, get_args(Kind))) + "."
_TIERS = "Where answers of the cache lie below memory: `redis`, `disk`."

_LABELS = (
    (code("operation"), "What was asked."),
    (code("model"), _MODEL),
    (code("outcome"), _OUTCOME),
    (code("failure"), "The [class](errors.md) of the failure that was met first."),
    (code("priority"), "How urgent it was: " + ", ".join(map(code, PRIORITIES)) + "."),
    (code("way"), "How an answer came about all the same: " + ", ".join(map(code, Way)) + ". " + _SHARED),
    (code("kind"), "`static` for a fixed answer, `computed` for one that a function made. " + _HITS + " " + _PIECES),
    (
        code("event"),
        "`begun`, `refused` by the budget, or how it ended: " + ", ".join(map(code, HedgeEnd)) + ".",
    ),
    (code("tier"), _TIERS),
    (code("rung"), "What is done [before it is asked for](../how-to/cache.md#answers-before-they-are-asked-for)."),
    (code("category"), "Of questions: " + ", ".join(map(code, CATEGORIES)) + "."),
    (code("codec"), ", ".join(map(code, get_args(CodecName))) + "."),
    (code("code"), "The [close code](../how-to/sockets.md#limits)."),
    (code("breaker"), "`provider/model`, or `provider` for all of its models."),
    (code("provider"), "The provider's name in the configuration."),
    (code("state"), ", ".join(map(code, KeyState)) + "."),
    (code("reason"), "Why no copy was sent: " + ", ".join(map(code, REASONS)) + ". " + _REFUSED + " " + _MISSES),
    (code("virtual"), "The virtual model that was asked for."),
    (code("period"), "`hour`, `day` or `month`."),
    (code("check"), "`passed`, or [why the answer did not](../how-to/failures.md#cheap-models-first)."),
    (code("state"), "`kept` where the answer is whole or was too large, `running` where it is still made."),
    (code("direction"), "`input` for tokens read, `output` for tokens written."),
)


def documented() -> list[tuple[str, str, str, str]]:
    """Return every metric there is: name, kind, labels and meaning."""
    metrics = Metrics()
    metrics.series("chat", "local/smollm2", "ok").requests += 1
    recovery = Recovery()
    recovery.failed(Failure.STALL)
    recovery.rescued(Failure.STALL, Way.CONTINUE)
    board = BreakerBoard()
    board.gate("local/smollm2")
    metrics.shadows.series("chat", "local/smollm2", "ok").requests += 1
    cascades = Cascades()
    cascades.note("thrifty", "local/smollm2", "passed")
    hedges = Hedges()
    hedges.let_go("local/smollm2", 1)
    counting = (recovery, RegisteredAnswers(), board, hedges, Dropped(), cascades, IdempotencyStore[object]())
    spending = Spending(lambda: 0.0, lambda _name: None)
    spending.purse("careful", Budget(microusd=1, period="day"))
    metrics.sources += [*(source.lines for source in counting), spending.lines, *_crowds(), *_responses()]
    key = KeyReport(key=KeyId("key-1"), state=KeyState.USABLE)
    metrics.sources.append(lambda: key_lines({"groq": [key]}))
    metrics.sources.append(_sockets().lines)
    metrics.sources.append(_shared(board).lines)
    metrics.sources.append(lambda: kept(TaskKeeper().spawn))
    text = metrics.render()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    found = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))
    return [(name, kinds[name], _labels(text, name), meaning) for name, meaning in found.items()]


def _shared(board: BreakerBoard) -> SharedState:
    redis = LinkSettings(url="redis://127.0.0.1")
    shared = SharedState(redis, board)
    shared.streams = SharedStreams(redis, Registry(KeepPolicy(), {}))
    return shared


def _sockets() -> SocketHub:
    """Return a hub from which a socket was closed."""
    hub = SocketHub(socket_limits(SocketSettings()), Keyring([]))
    hub.closed[Close.SILENT] += 1
    return hub


def _crowds() -> list[Callable[[], Iterator[str]]]:
    """Return the sources of what a crowd does, each with something to tell."""
    places, shedder = Places(LimitPolicy(maximum=1)), Shedder(max_active=0)
    places.of("local/smollm2")
    with contextlib.suppress(Overloaded):
        shedder.check(Priority.NORMAL, 1)
    return [places.lines, shedder.lines]


def _responses() -> list[Callable[[], Iterator[str]]]:
    settings = ResponseSettings()
    shelf = MemoryShelf(shelf_limits(settings), lambda: 0.0)
    return [Responses(shelf, settings, TaskKeeper().spawn, max_input_bytes=1).lines, shelf.lines]


def _labels(text: str, name: str) -> str:
    names: dict[str, None] = {}
    for inside in re.findall(rf"^{name}(?:_bucket)?{{(.*?)}}", text, re.MULTILINE):
        names.update(dict.fromkeys(re.findall(r"(\w+)=", inside)))
    names.pop("le", None)
    return ", ".join(map(code, names))


def page() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    rows = ((code(name), kind, labels, meaning) for name, kind, labels, meaning in documented())
    yield from table(("Metric", "Kind", "Labels", "Meaning"), rows)
    bounds = ", ".join(f"{bound:g}" for bound in BUCKETS_S)
    yield f"\nThe histograms have buckets up to {bounds} seconds; that of the cache's tiers goes from {LATENCIES_US[0]} µs to {LATENCIES_US[-1] // 1_000} ms.\n"
    yield from table(("Label", "Meaning"), _LABELS)
