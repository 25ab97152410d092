"""Whether a call may be answered from the cache, and on which terms: what its request says, the rules, the settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol, runtime_checkable

import msgspec

from narthex.cache.directives import Directives, UnreadableDirective, read
from narthex.cache.keys import Unkeyable, canonical, foreign_fields, key_of, refers_elsewhere
from narthex.cache.store import scope_tag
from narthex.config.cache_settings import CacheRuleSettings, CacheSettings
from narthex.errors import InvalidRequest, NarthexError
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.stages.cascade import WAY
from narthex.providers.catalog import Target
from narthex.routing.plan import Plan
from narthex.tenancy.bounds import Patterns
from narthex.tenancy.keys import LOCAL, Caller
from narthex.types.dialects import Dialect, Operation
from narthex.types.requests import ChatRequest, EmbeddingRequest

OWN_HEADER: Final = b"x-narthex-cache"
CONTROL_HEADER: Final = b"cache-control"
_CHANGING: Final = (b"anthropic-beta", b"openai-beta")
"""Headers that go on to the provider, and change what it does."""
_CHAT: Final = Operation.CHAT
_MS: Final = 1_000
MAX_KNOWN: Final = 4_096
"""Requests whose terms are remembered."""
MAX_KNOWN_BYTES: Final = 65_536
"""The largest of them."""
MAX_KNOWN_TOTAL_BYTES: Final = 16_777_216


class Circle(msgspec.Struct, frozen=True):
    """Within what a question may be answered by another one that means the same."""

    tenant: str
    """Who shares answers; nobody outside is ever held against it."""
    model: str
    """What tells apart calls that say the same: the model at its address, the namespace, headers for the provider."""
    principal: str
    """Who asks within the tenant."""


class Terms(msgspec.Struct, frozen=True):
    """On which terms a call may be answered from the cache."""

    key: bytes
    model: str
    """Whose answer it must be, as `provider/model`; empty where several may have given it."""
    scope: str
    directives: Directives
    tags: tuple[str, ...]
    fresh_ms: int
    stale_ms: int
    error_ms: int
    tool_calls: bool
    circle: Circle | None = None
    """None where no other question may answer it."""


class _Ruled(msgspec.Struct, frozen=True):
    """What holds for some calls."""

    mode: str
    shared_by: str
    fresh_ms: int
    stale_ms: int
    error_ms: int
    tool_calls: bool
    semantic: bool


_Received = tuple[bytes, Dialect, str, str, bytes | None, bytes | None, bytes | None, bytes | None]
"""A request as it came, as far as its terms depend on that."""


class _Known(NamedTuple):
    """Terms that were worked out, and for whom: they are another's no longer than these are the same."""

    caller: Caller | None
    target: Target | None
    terms: Terms


@runtime_checkable
class _Addressed(Protocol):
    base_url: str


class CachePolicy:
    """Knows the rules.

    Attributes:
        settings: What they are made of.
    """

    def __init__(self, settings: CacheSettings) -> None:
        self.settings = settings
        self._rules = tuple(_Rule(rule) for rule in settings.rules)
        self._usual = _ruled(settings, None)
        self._known: dict[_Received, _Known] = {}
        self._known_bytes = 0
        self._heeds_all = settings.enabled and (settings.mode == "all" or bool(settings.rules))
        self._heeds_zero = settings.enabled and settings.mode == "deterministic"

    def concerns(self, exchange: Exchange) -> bool:
        """Tell whether a call has anything to do with the cache, as far as that is to be seen at a glance."""
        operation = exchange.operation
        if operation is not _CHAT and operation is not Operation.EMBED:
            return False
        headers = exchange.headers
        if self._heeds_all or OWN_HEADER in headers or CONTROL_HEADER in headers:
            return True
        if not self._heeds_zero:
            return False
        if operation is not _CHAT:
            return True
        head = exchange.head
        request = exchange.given_request if head is None else None
        said = head.temperature if head is not None else getattr(request, "temperature", None)
        return said == 0 and said is not False

    def terms(self, exchange: Exchange) -> Terms | None:
        """Return on which terms a call may be answered from the cache; None if it may not be.

        Raises:
            InvalidRequest: Its header says what it cannot say.
        """
        if exchange.plan is not None or not 0 < len(exchange.body) <= MAX_KNOWN_BYTES:
            return self._worked_out(exchange)
        asked = _as_received(exchange)
        known = self._known.get(asked)
        if known is not None and known.caller is exchange.caller and known.target is exchange.target:
            return known.terms
        terms = self._worked_out(exchange)
        if terms is not None:
            self._remember(asked, _Known(exchange.caller, exchange.target, terms))
        return terms

    def _remember(self, asked: _Received, known: _Known) -> None:
        """Spare the next call that is the same byte for byte its reading."""
        if asked not in self._known:
            self._known_bytes += len(asked[0])
        self._known[asked] = known
        while len(self._known) > MAX_KNOWN or self._known_bytes > MAX_KNOWN_TOTAL_BYTES:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._known_bytes -= len(oldest[0])

    def _worked_out(self, exchange: Exchange) -> Terms | None:
        directives = directives_of(exchange)
        target, caller = exchange.target, exchange.caller or LOCAL
        assert target is not None
        ruled = self._ruled(exchange, target, caller)
        if not self.settings.enabled or ruled.mode == "off" or not exchange.may_cache:
            return None
        if not (directives.look or directives.store) or (ruled.mode == "asked" and not directives.asked):
            return None
        try:
            request = exchange.chat_request() if exchange.operation is _CHAT else exchange.embedding_request()
            if not directives.asked and ruled.mode == "deterministic" and not is_deterministic(request):
                return None
            return self._terms(exchange, directives, ruled, canonical(request))
        except (NarthexError, Unkeyable):
            # Its provider may understand it: it is sent as it is.
            return None

    def _terms(self, exchange: Exchange, directives: Directives, ruled: _Ruled, asked: bytes) -> Terms:
        target, caller, plan = exchange.target, exchange.caller or LOCAL, exchange.plan
        assert target is not None
        climbs = plan is not None and plan.strategy == WAY
        scope = _scope(caller, exchange, directives.shared_by or ruled.shared_by)
        beside = [directives.namespace, *(_said(exchange, name) for name in _CHANGING)]
        who = _identity(target) if not climbs or plan is None else _identity_of_all(plan)
        key = key_of(asked, scope=scope, target=who, operation=str(exchange.operation), beside=beside)
        ttl_s = directives.ttl_s
        return Terms(
            key,
            "" if climbs else target.name,
            scope,
            directives,
            (*_built_in(caller, target, scope, exchange), *(own_tag(caller, tag) for tag in directives.tags)),
            ruled.fresh_ms if ttl_s is None else int(ttl_s * _MS),
            ruled.stale_ms,
            ruled.error_ms,
            ruled.tool_calls,
            _circle(exchange, scope, (who, *beside)) if ruled.semantic and directives.semantic else None,
        )

    def _ruled(self, exchange: Exchange, target: Target, caller: Caller) -> _Ruled:
        rule = next((rule for rule in self._rules if rule.fits(exchange, target, caller)), None)
        return self._usual if rule is None else _ruled(self.settings, rule.settings)


class _Rule:
    """What holds for some calls, and for which."""

    def __init__(self, settings: CacheRuleSettings) -> None:
        self.settings = settings
        self._models = Patterns([settings.model])

    def fits(self, exchange: Exchange, target: Target, caller: Caller) -> bool:
        """Tell whether a call is one of them."""
        settings, account = self.settings, caller.account
        if settings.workspace is not None and settings.workspace != account.workspace_id:
            return False
        if settings.key is not None and settings.key not in {caller.name, account.key_id}:
            return False
        if settings.operation is not None and (settings.operation == "chat") != (exchange.operation is _CHAT):
            return False
        return self._models.fit(target.name) or self._models.fit(exchange.model_asked)


def _ruled(usual: CacheSettings, rule: CacheRuleSettings | None) -> _Ruled:
    said = {} if rule is None else rule.model_dump(exclude_none=True)
    of = {**usual.model_dump(), **said}
    return _Ruled(
        of["mode"],
        of["shared_by"],
        int(of["ttl_s"] * _MS),
        int(of["stale_while_revalidate_s"] * _MS),
        int(of["stale_if_error_s"] * _MS),
        of["tool_calls"],
        usual.semantic.enabled and said.get("semantic", True),
    )


def directives_of(exchange: Exchange) -> Directives:
    """Return what a request says about the cache.

    Raises:
        InvalidRequest: Its header says what it cannot say.
    """
    headers = exchange.headers
    try:
        return read(headers.get(OWN_HEADER), headers.get(CONTROL_HEADER))
    except UnreadableDirective as error:
        raise InvalidRequest(f"x-narthex-cache: {error}", param="x-narthex-cache") from error


def is_deterministic(request: ChatRequest | EmbeddingRequest) -> bool:
    """Tell whether a request asks for an answer that may well be the same each time."""
    if foreign_fields(request):
        return False
    if isinstance(request, EmbeddingRequest):
        return True
    return request.temperature == 0 and not refers_elsewhere(request)


def own_tag(caller: Caller, tag: str) -> str:
    """Return a tag of a caller's own choice, which is another's under the same name nowhere."""
    return f"tag:{caller.owner}:{tag}"


def model_tag(owner: str, model: str) -> str:
    """Return the tag of an owner's answers of a model, by the name that answered or that was asked; `*` for any."""
    return f"model:{owner}:{model}"


def _built_in(caller: Caller, target: Target, scope: str, exchange: Exchange) -> tuple[str, ...]:
    account, owner = caller.account, caller.owner
    tags = [scope_tag(scope), model_tag(owner, target.name)]
    tags += [f"workspace:{account.workspace_id}", f"key:{account.key_id}"]
    if scope != owner:
        # So that all that is an owner's goes at once.
        tags.append(scope_tag(owner))
    if exchange.model_asked and exchange.model_asked != target.name:
        tags.append(model_tag(owner, exchange.model_asked[:200]))
    if account.user_id:
        tags.append(f"user:{account.user_id}")
    if end_user := _end_user(exchange):
        tags.append(f"end-user:{account.workspace_id}:{end_user}")
    return tuple(tags)


def _scope(caller: Caller, exchange: Exchange, word: str) -> str:
    if word == "workspace":
        return caller.owner
    if word == "user" and (end_user := _end_user(exchange)):
        return f"{caller.owner}/user:{end_user}"
    # Of nobody by name: with nobody but those who present the same key.
    return f"{caller.owner}/key:{caller.account.key_id}:{caller.name}"


def _circle(exchange: Exchange, scope: str, told_apart: Iterable[str]) -> Circle | None:
    """Return within what a question may be answered by another; None for what is no chat.

    Whoever has a key can name any end user: those of a key vouch for each other's questions within that key alone.
    """
    if exchange.operation is not _CHAT:
        return None
    caller = exchange.caller or LOCAL
    account, end_user = caller.account, _end_user(exchange)
    presented = f"{account.key_id}:{caller.name}"
    tenant = f"{scope}/{presented}" if end_user else scope
    return Circle(tenant, "\n".join(told_apart), f"{account.user_id or presented}/{end_user}")


def _end_user(exchange: Exchange) -> str:
    if exchange.head is not None:
        return exchange.head.end_user
    request = exchange.given_request
    return (request.user or "") if request is not None else ""


def _identity(target: Target) -> str:
    """Return what tells a model from one of the same name, before or after the configuration changed."""
    provider = target.provider
    where = provider.base_url if isinstance(provider, _Addressed) else ""
    return f"{target.name}\n{provider.kind}\n{target.model}\n{where}"


def _identity_of_all(plan: Plan) -> str:
    """Return what tells a cascade from others: any of its members may have given the answer."""
    return "\n".join([plan.target, WAY, *(one.name for one in plan.candidates)])


def _as_received(exchange: Exchange) -> _Received:
    headers, account = exchange.headers, (exchange.caller or LOCAL).account
    return (
        *(exchange.body, exchange.dialect, account.workspace_id, account.key_id),
        *(headers.get(OWN_HEADER), headers.get(CONTROL_HEADER), headers.get(_CHANGING[0]), headers.get(_CHANGING[1])),
    )


def _said(exchange: Exchange, name: bytes) -> str:
    return exchange.headers.get(name, b"").decode("latin-1")
