"""Where a call would go, and why: the decision that the next such call gets, without the call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from narthex.errors import InvalidRequest, NarthexError
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.facts import facts_of
from narthex.pipeline.merges import Merges, chats_only
from narthex.pipeline.settle import MERGED
from narthex.pipeline.stages.permit import not_permitted
from narthex.pipeline.stages.route import in_workspace
from narthex.providers.catalog import Catalog, Target
from narthex.providers.contract import KeyHolding
from narthex.resilience.boards import BreakerBoard
from narthex.routing.candidates import Candidate
from narthex.routing.facts import MAX_TAG_CHARACTERS, MAX_TAGS, PLAIN, Facts, Modality
from narthex.routing.plan import Plan
from narthex.routing.router import Router
from narthex.routing.verdicts import Verdict
from narthex.tenancy.keys import Caller, Keyring
from narthex.types.accounts import Account
from narthex.types.dialects import Dialect, Operation
from narthex.types.merging import MergeMode

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
    permitted: bool
    """Whether the caller's key and workspace allow it."""
    available: bool
    """Whether a call would be sent to it now."""
    key: str | None
    """ID of the provider's key that the call would be sent with first; None if it has none, or none to be used now."""


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


class MergeExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asked where a name stands for several models, and where each of their calls would go."""

    mode: MergeMode
    """How their answers are made one, unless the call says otherwise."""
    members: tuple[RouteExplanation, ...]
    judge: RouteExplanation | None
    """Who chooses the best."""


class RouteExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, explained."""

    object: Literal["route"] = "route"
    asked: str
    target: str
    rule: str | None = None
    percentage: float = 100.0
    strategy: str | None = None
    shadow: str | None = None
    candidates: tuple[CandidateState, ...] = ()
    draining: tuple[str, ...] = ()
    """Members of the virtual models in line that get no calls."""
    model: str | None
    """Who would serve; None if nobody is there, or may."""
    refused: str | None = None
    """Why the call would be refused, as its caller would be told; None if it would not be."""
    header: str | None = None
    """What `x-narthex-route` would say; None if it would not be there."""
    rules: tuple[RuleVerdict, ...] = ()
    merge: MergeExplanation | None = None
    """None if the name stands for one model."""
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

    def __init__(
        self,
        catalog: Catalog,
        router: Router,
        *,
        board: BreakerBoard,
        keyring: Keyring,
        merges: Merges | None = None,
    ) -> None:
        """Take what decides on calls.

        Args:
            catalog: Knows the models.
            router: Decides.
            board: Knows which models are left alone.
            keyring: Knows to which tenant a caller belongs.
            merges: Know which names stand for several models.
        """
        self._catalog = catalog
        self._router = router
        self.board = board
        self._keyring = keyring
        self.merges = Merges() if merges is None else merges

    def explain(self, question: RouteQuestion, asking: Caller) -> RouteExplanation:
        """Return where the call would go; nothing is sent, and nobody's turn is used up.

        Args:
            question: The call.
            asking: Who asks, and calls if nobody else is named.

        Raises:
            InvalidRequest: The `request` is no call, or none that several models can answer.
        """
        caller = self._caller(question, asking)
        facts = _facts(question, caller)
        if facts.model in self.merges:
            return self._several(question, facts, caller)
        return self._one(question, self._meant(question, facts, caller), caller)

    def _several(self, question: RouteQuestion, facts: Facts, caller: Caller) -> RouteExplanation:
        """Explain a call that is for several models: what is decided is decided for each."""
        if facts.operation is not Operation.CHAT:
            raise chats_only()
        recipe, asked = self.merges.recipe(facts.model), facts.model

        def of(name: str) -> RouteExplanation:
            named = msgspec.structs.replace(question, model=name)
            return self._one(named, self._meant(named, _facts(named, caller), caller), caller)

        judge = None if recipe.judge is None else of(recipe.judge)
        merge = MergeExplanation(mode=recipe.mode, members=tuple(map(of, recipe.models)), judge=judge)
        target = self._catalog.meant(asked)
        served = MERGED if any(member.model for member in merge.members) else None
        return RouteExplanation(
            asked=asked,
            target=target,
            model=served,
            merge=merge,
            facts=_known(facts, self._at(question)),
            text="\n".join(_merged_lines(asked, target, merge, served)),
        )

    def _at(self, question: RouteQuestion) -> float:
        return self._router.now() if question.at is None else question.at.timestamp()

    def _meant(self, question: RouteQuestion, facts: Facts, caller: Caller) -> Facts:
        """Return the same with the name of the model that is meant in the caller's workspace."""
        if caller.bounds is None:
            return facts
        name = in_workspace(facts.model, caller.bounds, self._catalog, self._router)
        return facts if name == facts.model else _facts(msgspec.structs.replace(question, model=name), caller)

    def _one(self, question: RouteQuestion, facts: Facts, caller: Caller) -> RouteExplanation:
        at = self._at(question)
        plan, verdicts = self._router.explain(facts, now=lambda: at)
        asked = facts.model or self._catalog.default_model
        states = tuple(self._state(candidate, asked, caller, facts) for candidate in plan.candidates)
        draining = tuple(dict.fromkeys(self._draining(plan)))
        has_header = self._router.is_virtual(facts.model)
        refused = _refusal(question, caller) or _not_permitted(asked, states, caller, chooses=has_header)
        serving = next((one for one in states if one.available and one.permitted and not refused), None)
        return RouteExplanation(
            asked=plan.asked,
            target=plan.target,
            rule=plan.rule or None,
            percentage=plan.percentage,
            strategy=plan.strategy or None,
            shadow=plan.shadow,
            candidates=states,
            draining=draining,
            model=None if serving is None else serving.model,
            refused=refused,
            header=_allowed(plan, states).header() if has_header and not refused else None,
            rules=tuple(_told(verdict) for verdict in verdicts),
            facts=_known(facts, at),
            text="\n".join((*_lines(plan, states, draining), *_ends(verdicts, serving, refused))),
        )

    def _caller(self, question: RouteQuestion, asking: Caller) -> Caller:
        name = asking.name if question.caller is None else question.caller
        known = asking if name == asking.name else self._keyring.caller(name)
        belongs = "" if known is None else known.tenant
        # What bounds another's key is told in its own workspace.
        near = known is not None and (known is asking or known.account.workspace_id == asking.account.workspace_id)
        return Caller(
            name=name,
            tenant=belongs if question.tenant is None else question.tenant,
            bounds=known.bounds if known is not None and (near or asking.is_operator) else None,
            account=Account() if known is None else known.account,
        )

    def _state(self, candidate: Candidate, asked: str, caller: Caller, facts: Facts) -> CandidateState:
        target, bounds = self._resolved(candidate.name), caller.bounds
        return CandidateState(
            model=candidate.name if target is None else target.name,
            reason=candidate.reason,
            via=candidate.via or None,
            fallback=candidate.fallback,
            known=target is not None,
            breaker=None if target is None else str(self.board.gate(target.name).state),
            permitted=bounds is None or bounds.permit(asked, candidate.name if target is None else target.name),
            available=target is not None and self.board.available(target.name),
            key=None if target is None else _key(target, facts),
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


def _key(target: Target, facts: Facts) -> str | None:
    """Return the ID of the key that its provider would be shown."""
    if not isinstance(target.provider, KeyHolding):
        return None
    return target.provider.next_key(b"" if target.by_prefix is None else facts.prefix(target.by_prefix))


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
        prefix=found.prefix,
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


def _refusal(question: RouteQuestion, caller: Caller) -> str | None:
    """Return why a call of the kind would be refused, whatever its model is."""
    bounds = caller.bounds
    if bounds is None:
        return None
    word = "responses" if question.surface == "openai.responses" else "chat"
    word = "embeddings" if question.operation == "embed" else word
    against = bounds.against(word, None)
    # From where it would come is not known.
    return None if against is None or against == "address" else bounds.refusal(against, word, None).message


def _not_permitted(asked: str, states: Sequence[CandidateState], caller: Caller, *, chooses: bool) -> str | None:
    """Return why no model may serve; who asks for one by its name needs that one, and not its fallbacks."""
    known = [one for one in states if one.known]
    if caller.bounds is None or not known or any(one.permitted for one in (known if chooses else known[:1])):
        return None
    return not_permitted(asked, caller.bounds).message


def _allowed(plan: Plan, states: Sequence[CandidateState]) -> Plan:
    """Return a plan without those who may not serve."""
    kept = tuple(one for one, state in zip(plan.candidates, states, strict=True) if state.permitted)
    return msgspec.structs.replace(plan, candidates=kept)


def _lines(plan: Plan, states: tuple[CandidateState, ...], draining: tuple[str, ...]) -> Iterator[str]:
    yield plan.explain()
    for one in states:
        if not one.known:
            yield f"{one.model} is not there: no provider has it"
        elif not one.permitted:
            yield f"{one.model} is left out: the key or its workspace does not allow it"
        elif not one.available:
            yield f"{one.model} is left alone at the moment: its breaker is {one.breaker}"
    yield from (f"{name} is draining: it gets no calls" for name in draining)


def _ends(verdicts: tuple[Verdict, ...], serving: CandidateState | None, refused: str | None) -> Iterator[str]:
    if refused:
        yield f"refused: {refused}"
    yield f"served by: {'nobody' if serving is None else serving.model}"
    if serving is not None and serving.key is not None:
        yield f"key: {serving.key}"
    if verdicts:
        yield "rules:"
        yield from (f"  {verdict.rule}: {verdict.text}" for verdict in verdicts)


def _merged_lines(asked: str, target: str, merge: MergeExplanation, served: str | None) -> Iterator[str]:
    yield f"asked for: {asked or 'the default model'}"
    if target != asked:
        yield f"stands for: {target}"
    yield f"merge: {merge.mode} of {len(merge.members)} models"
    for place, member in enumerate(merge.members, 1):
        yield f"member {place}:"
        yield from (f"  {line}" for line in member.text.splitlines())
    if merge.judge is not None:
        yield "judge:"
        yield from (f"  {line}" for line in merge.judge.text.splitlines())
    yield f"served by: {served or 'nobody'}"
