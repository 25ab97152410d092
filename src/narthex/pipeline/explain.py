"""Where a call would go, and why: the decision that the next such call gets, without the call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from narthex.errors import InvalidRequest, NarthexError
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.facts import facts_of
from narthex.providers.catalog import Catalog, Target
from narthex.resilience.boards import BreakerBoard
from narthex.routing.candidates import Candidate
from narthex.routing.facts import MAX_TAG_CHARACTERS, MAX_TAGS, PLAIN, Facts, Modality
from narthex.routing.plan import Plan
from narthex.routing.router import Router
from narthex.routing.verdicts import Verdict
from narthex.tenancy.keys import Caller, Keyring
from narthex.types.dialects import Dialect, Operation

TAG_PATTERN = r"^[!-+\--~]([ -+\--~]*[!-+\--~])?$"
"""Printable ASCII without commas, and without spaces at its ends."""
AT_PATTERN = r"^(19[7-9]|2[0-9][0-9])[0-9]-"
"""Years for which every time zone has a calendar."""
_FIRST_YEAR, _LAST_YEAR = 1970, 2999

MAX_TOKENS: Final = 1_000_000_000
"""Of the call that is asked about."""
NO_REQUEST: Final = msgspec.Raw(b"null")

Tag = Annotated[str, Meta(max_length=MAX_TAG_CHARACTERS, pattern=TAG_PATTERN)]
Moment = Annotated[datetime, Meta(tz=True)]
SurfaceName = Literal["openai.chat", "openai.responses", "anthropic.messages"]
OperationName = Literal["chat", "embed", "count_tokens"]


class RouteQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call that might come: as a whole, or by what is known of it, which wins over the whole."""

    model: str | None = None
    """As asked for; None for that of `request`, or the default model."""
    request: msgspec.Raw = NO_REQUEST
    """The body of the call; `null` for none."""
    surface: SurfaceName = "openai.chat"
    """The shape of that body; vectors are asked for in OpenAI's."""
    operation: OperationName = "chat"
    tags: Annotated[tuple[Tag, ...], Meta(max_length=MAX_TAGS)] = ()
    caller: str | None = None
    """Name of a key; None for that of who asks."""
    tenant: str | None = None
    """None for that of the key."""
    conversation: str | None = None
    """As in `x-narthex-conversation`."""
    streaming: bool | None = None
    input_tokens: Annotated[int, Meta(ge=0, le=MAX_TOKENS)] | None = None
    modalities: tuple[Modality, ...] | None = None
    tools: bool | None = None
    at: Moment | None = None
    """When it comes; None for now."""


class CandidateState(msgspec.Struct, frozen=True, kw_only=True):
    """A model that may serve the call, and how it is."""

    model: str
    reason: str
    via: str | None
    fallback: bool
    known: bool
    """Whether a provider has it."""
    breaker: str | None
    """How its breaker stands, or its provider's where its own is closed; None if it is not known."""
    available: bool
    """Whether a call would be sent to it now."""


class RuleVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule says of the call."""

    name: str
    outcome: Literal["matched", "not_matched", "not_asked"]
    condition: str | None
    """The first option of its `when` that does not hold."""
    why: str | None
    drawn: bool
    """Whether a percentage was drawn by lot, so that the next such call may go elsewhere."""


class KnownFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the decision went by."""

    model: str
    operation: OperationName
    tags: tuple[str, ...]
    caller: str
    tenant: str
    streaming: bool
    input_tokens: int
    modalities: tuple[Modality, ...]
    tools: bool
    at: datetime


class RouteExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, explained."""

    object: Literal["route"] = "route"
    asked: str
    target: str
    rule: str | None
    percentage: float
    strategy: str | None
    shadow: str | None
    candidates: tuple[CandidateState, ...]
    draining: tuple[str, ...]
    """Members of the virtual models in line that get no calls."""
    model: str | None
    """Who would serve; None if nobody is there."""
    header: str | None
    """What `x-narthex-route` would say; None if it would not be there."""
    rules: tuple[RuleVerdict, ...]
    facts: KnownFacts
    text: str
    """All of it, for people."""


_decode = msgspec.json.Decoder(RouteQuestion).decode


def parse_question(body: bytes) -> RouteQuestion:
    """Read a question.

    Raises:
        InvalidRequest: Not JSON, or not of this shape; `param` names the field.
    """
    try:
        question = _decode(body)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        raise InvalidRequest(f"the body is not valid: {message}", param=path.rstrip("`") or None) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error
    if question.at is not None and not _FIRST_YEAR <= question.at.year <= _LAST_YEAR:
        raise InvalidRequest(f"at: the year {question.at.year} is not from {_FIRST_YEAR} to {_LAST_YEAR}", param="at")
    return question


class Explainer:
    """Tells where calls would go."""

    def __init__(self, *, catalog: Catalog, router: Router, board: BreakerBoard, keyring: Keyring) -> None:
        """Take what decides on calls.

        Args:
            catalog: Knows the models.
            router: Decides.
            board: Knows which models are left alone.
            keyring: Knows to which tenant a caller belongs.
        """
        self._catalog = catalog
        self._router = router
        self._board = board
        self._keyring = keyring

    def explain(self, question: RouteQuestion, asking: Caller) -> RouteExplanation:
        """Return where the call would go; nothing is sent, and nobody's turn is used up.

        Args:
            question: The call.
            asking: Who asks, and calls if nobody else is named.

        Raises:
            InvalidRequest: The `request` is no call.
        """
        facts = _facts(question, self._caller(question, asking))
        at = self._router.now() if question.at is None else question.at.timestamp()
        plan, verdicts = self._router.explain(facts, now=lambda: at)
        states = tuple(self._state(candidate) for candidate in plan.candidates)
        draining = tuple(dict.fromkeys(self._draining(plan)))
        served = next((one.model for one in states if one.available), None)
        has_header = self._router.is_virtual(facts.model)
        return RouteExplanation(
            asked=plan.asked,
            target=plan.target,
            rule=plan.rule or None,
            percentage=plan.percentage,
            strategy=plan.strategy or None,
            shadow=plan.shadow,
            candidates=states,
            draining=draining,
            model=served,
            header=plan.header() if has_header else None,
            rules=tuple(_told(verdict) for verdict in verdicts),
            facts=_known(facts, at),
            text="\n".join(_lines(plan, states, draining, verdicts, served)),
        )

    def _caller(self, question: RouteQuestion, asking: Caller) -> Caller:
        name = asking.name if question.caller is None else question.caller
        known = asking if name == asking.name else self._keyring.caller(name)
        belongs = "" if known is None else known.tenant
        return Caller(name=name, tenant=belongs if question.tenant is None else question.tenant)

    def _state(self, candidate: Candidate) -> CandidateState:
        target = self._resolved(candidate.name)
        return CandidateState(
            model=candidate.name if target is None else target.name,
            reason=candidate.reason,
            via=candidate.via or None,
            fallback=candidate.fallback,
            known=target is not None,
            breaker=None if target is None else str(self._board.gate(target.name).state),
            available=target is not None and self._board.available(target.name),
        )

    def _resolved(self, name: str) -> Target | None:
        try:
            return self._catalog.resolve(name)
        except NarthexError:
            return None

    def _draining(self, plan: Plan) -> Iterator[str]:
        inline = {plan.target, *(candidate.via for candidate in plan.candidates)}
        for virtual in self._router.virtual_models:
            if virtual.name in inline:
                yield from (member.model for member in virtual.members if member.draining)


def _facts(question: RouteQuestion, caller: Caller) -> Facts:
    found = Facts("") if question.request == NO_REQUEST else facts_of(_call(question, caller))
    said = question.conversation
    tokens, tools = question.input_tokens, question.tools
    modalities = None if question.modalities is None else frozenset(question.modalities)
    return Facts(
        found.model if question.model is None else question.model,
        operation=Operation(question.operation),
        tags=frozenset(question.tags),
        caller=caller.name,
        tenant=caller.tenant,
        streaming=found.streaming if question.streaming is None else question.streaming,
        input_tokens=found.input_tokens if tokens is None else lambda: tokens,
        modalities=found.modalities if modalities is None else lambda: modalities,
        tools=found.tools if tools is None else lambda: tools,
        # As the header comes: its bytes, whatever they mean.
        key=lambda: said.encode().decode("latin-1") if said else found.key(),
    )


def _call(question: RouteQuestion, caller: Caller) -> Exchange:
    """Return the call as it would come in."""
    operation = Operation(question.operation)
    dialect = Dialect.OPENAI_EMBEDDINGS if operation is Operation.EMBED else Dialect(question.surface)
    call = Exchange(dialect, bytes(question.request), {}, operation, caller=caller)
    call.read_head()
    return call


def _known(facts: Facts, at: float) -> KnownFacts:
    return KnownFacts(
        model=facts.model,
        operation=facts.operation.value,
        tags=tuple(sorted(facts.tags)),
        caller=facts.caller,
        tenant=facts.tenant,
        streaming=facts.streaming,
        input_tokens=facts.input_tokens(),
        modalities=tuple(sorted(facts.modalities() or PLAIN)),
        tools=facts.tools(),
        at=datetime.fromtimestamp(at).astimezone(),
    )


def _told(verdict: Verdict) -> RuleVerdict:
    return RuleVerdict(
        name=verdict.rule,
        outcome=verdict.outcome,
        condition=verdict.condition or None,
        why=verdict.why or None,
        drawn=verdict.drawn,
    )


def _lines(
    plan: Plan,
    states: tuple[CandidateState, ...],
    draining: tuple[str, ...],
    verdicts: tuple[Verdict, ...],
    served: str | None,
) -> Iterator[str]:
    yield plan.explain()
    for one in states:
        if not one.known:
            yield f"{one.model} is not there: no provider has it"
        elif not one.available:
            yield f"{one.model} is left alone at the moment: its breaker is {one.breaker}"
    yield from (f"{name} is draining: it gets no calls" for name in draining)
    yield f"served by: {served or 'nobody'}"
    if verdicts:
        yield "rules:"
        yield from (f"  {verdict.rule}: {verdict.text}" for verdict in verdicts)
