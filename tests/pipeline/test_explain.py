"""What is explained is what would be decided, with how everybody in line is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest

from narthex.errors import InvalidRequest
from narthex.pipeline.explain import Explainer, RouteExplanation, parse_question
from narthex.pipeline.facts import facts_of
from narthex.pipeline.merges import Merges, Recipe
from narthex.resilience.breakers import BreakerState
from narthex.routing.conditions import Hours, When
from narthex.routing.router import Router
from narthex.routing.rules import Rule, Shadow, Split
from narthex.routing.virtual import Member, VirtualModel
from narthex.tenancy.bounds import Bounds
from narthex.tenancy.keys import LOCAL, Caller, Keyring
from narthex.tenancy.scopes import Scopes
from narthex.types.accounts import Account
from narthex.types.keys import KeyId, KeyReport, KeyState
from tests.pipeline.doubles import CHAT, Double, House, exchange, surroundings

TURN = [{"role": "user", "content": "Hi"}]
NIGHT = When(hours=(Hours(start="22:00", end="06:00"),))


class Bench:
    """An explainer around two providers."""

    def __init__(
        self,
        *rules: Rule,
        models: tuple[VirtualModel, ...] = (),
        provider: Double | None = None,
        **fallbacks: list[str],
    ) -> None:
        self.house = House(provider or Double(), Double(name="b"), alias="b/m")
        table = {name.replace("_", "/"): names for name, names in fallbacks.items()}
        means, around = surroundings(self.house.catalog)
        noon = datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp()
        means = replace(means, now=lambda: noon)
        self.house.router.adopt(Router(means, around, models=models, fallbacks=table, rules=rules))
        self.board = self.house.recovery.board
        keyring = Keyring([("app", "k" * 20), ("shop", "s" * 20)], {"shop": "acme"})
        self.merges = Merges()
        self.explainer = Explainer(
            catalog=self.house.catalog,
            router=self.house.router,
            board=self.board,
            keyring=keyring,
            merges=self.merges,
        )

    def ask(self, **said: object) -> RouteExplanation:
        """Explain a call for `up/m`, or the one given, to the local user."""
        return self.ask_as(LOCAL, said)

    def ask_as(self, asking: Caller, said: Mapping[str, object]) -> RouteExplanation:
        """Explain to somebody."""
        question = {"model": "up/m", **said} if "request" not in said else said
        return self.explainer.explain(parse_question(json.dumps(question).encode()), asking)


def test_a_plain_model_is_itself() -> None:
    """Where nothing is decided there is no header, and still an explanation."""
    told = Bench().ask()
    assert (told.model, told.target, told.rule, told.header) == ("up/m", "up/m", None, None)
    assert [one.reason for one in told.candidates] == ["it was asked for"]
    assert told.text == "asked for: up/m\n1. up/m: it was asked for\nserved by: up/m"


class Keyed(Double):
    """A provider that tells which key it would use, by how a call begins."""

    def key_reports(self) -> tuple[KeyReport, ...]:
        """Return two."""
        return tuple(KeyReport(key=KeyId(key), state=KeyState.USABLE) for key in ("key-1", "key-2"))

    def next_key(self, prefix: bytes = b"") -> KeyId | None:
        """Return the second for calls that begin alike."""
        return KeyId("key-2") if prefix else KeyId("key-1")

    def withdraw_key(self, key: KeyId) -> None:
        """Do nothing."""

    def restore_key(self, key: KeyId) -> None:
        """Do nothing."""


def test_the_key_is_told() -> None:
    """By its ID: the one whose turn it is, or that of calls which begin alike; none where there is none."""
    bench = Bench(provider=Keyed())
    told = bench.ask()
    assert [one.key for one in told.candidates] == ["key-1"]
    assert told.text.endswith("served by: up/m\nkey: key-1")
    long = {"model": "up/m", "messages": [{"role": "system", "content": "Be brief. " * 3_000}, *TURN]}
    assert bench.ask(request=long).candidates[0].key == "key-2"
    assert bench.ask(model="b/m").candidates[0].key is None


def test_rules_are_told_one_by_one() -> None:
    """The one that counts, those before it with their reasons, those behind it."""
    rules = (
        Rule(name="batch", when=When(tags=("batch",)), use="b/x"),
        Rule(name="all", use="alias", shadow=Shadow(model="b/s")),
        Rule(name="last", when=When(tools=True), use="b/y"),
    )
    told = Bench(*rules).ask()
    assert (told.rule, told.model, told.shadow) == ("all", "b/m", "b/s")
    assert told.header == "rule=all; to=b/m; copy=b/s"
    assert [(one.name, one.outcome, one.condition, one.why) for one in told.rules] == [
        ("batch", "not_matched", "tags", "lacks batch"),
        ("all", "matched", None, None),
        ("last", "not_asked", None, None),
    ]
    assert "copy to: b/s" in told.text
    assert "  batch: no: lacks batch (`tags`)" in told.text


def test_the_time_may_be_given() -> None:
    """At noon, unless another time is said."""
    bench = Bench(Rule(name="night", when=NIGHT, use="b/m"))
    assert bench.ask().model == "up/m"
    told = bench.ask(at="2026-03-04T23:30:00+01:00")
    assert (told.rule, told.facts.at) == ("night", datetime(2026, 3, 4, 22, 30, tzinfo=UTC))


def test_everybody_in_line_is_looked_at() -> None:
    """Who is not there, left alone or draining is told, and who would serve in their place."""
    members = (
        Member(model="up/gone", draining=True),
        Member(model="nobody/m"),
        Member(model="up/m"),
        Member(model="b/m"),
    )
    bench = Bench(models=(VirtualModel(name="quick", members=members, fallbacks=("b/last",)),))
    bench.board.force("up/m", BreakerState.FORCED_OPEN)
    told = bench.ask(model="quick")
    assert [(one.model, one.known, one.available, one.breaker) for one in told.candidates] == [
        ("nobody/m", False, False, None),
        ("up/m", True, False, "forced_open"),
        ("b/m", True, True, "closed"),
        ("b/last", True, True, "closed"),
    ]
    assert [one.via for one in told.candidates] == ["quick", "quick", "quick", None]
    assert (told.draining, told.model, told.strategy) == (("up/gone",), "b/m", "order")
    for line in (
        "nobody/m is not there: no provider has it",
        "up/m is left alone at the moment: its breaker is forced_open",
        "up/gone is draining: it gets no calls",
        "served by: b/m",
    ):
        assert line in told.text.splitlines()


def test_nobody_is_told_as_nobody() -> None:
    """A model that nobody has is served by nobody, and no breaker is made for it."""
    bench = Bench()
    told = bench.ask(model="nobody/m")
    assert (told.model, told.candidates[0].known) == (None, False)
    assert "served by: nobody" in told.text
    assert not bench.board.snapshot()


def test_a_provider_that_is_left_alone_takes_its_models_along() -> None:
    """A model with a good breaker is not available while its provider is not, and stands as its provider does."""
    bench = Bench(up_m=["b/m"])
    bench.board.force("up", BreakerState.FORCED_OPEN)
    told = bench.ask()
    assert [(one.model, one.breaker, one.available) for one in told.candidates] == [
        ("up/m", "forced_open", False),
        ("b/m", "closed", True),
    ]
    assert told.model == "b/m"


@pytest.mark.parametrize(
    ("said", "caller", "tenant"),
    [
        ({}, "app", ""),
        ({"caller": "shop"}, "shop", "acme"),
        ({"caller": "shop", "tenant": "other"}, "shop", "other"),
        ({"caller": "stranger"}, "stranger", ""),
        ({"tenant": "acme"}, "app", "acme"),
    ],
)
def test_somebody_calls(said: dict[str, object], caller: str, tenant: str) -> None:
    """Who asks, or who is named, with the tenant of the key unless another is said."""
    told = Bench().ask_as(Caller(name="app"), said)
    assert (told.facts.caller, told.facts.tenant) == (caller, tenant)


TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def test_a_whole_call_is_looked_into() -> None:
    """What a call says of itself is found out; what is said beside it wins."""
    body = {"model": "b/m", "stream": True, "tools": [TOOL], "messages": [{"role": "user", "content": [IMAGE]}]}
    facts = Bench().ask(request=body).facts
    assert (facts.model, facts.streaming, facts.tools, facts.modalities) == ("b/m", True, True, ("image",))
    assert facts.input_tokens > 0
    beside = {"model": "up/m", "streaming": False, "tools": False, "modalities": [], "input_tokens": 7}
    facts = Bench().ask(request=body, **beside).facts
    assert {name: getattr(facts, name) for name in beside} == {**beside, "modalities": ()}


def test_calls_of_every_surface_are_read() -> None:
    """Anthropic's shape and calls for vectors have their own."""
    body = {"model": "b/m", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}], "system": "Be kind."}
    assert Bench().ask(request=body, surface="anthropic.messages").facts.model == "b/m"
    tools = [{"type": "function", "name": "f", "parameters": {}}]
    facts = Bench().ask(request={"model": "b/m", "input": "Hi", "tools": tools}, surface="openai.responses").facts
    assert (facts.model, facts.tools) == ("b/m", True)
    told = Bench().ask(request={"model": "b/v", "input": ["Hi"]}, operation="embed")
    assert (told.facts.operation, told.facts.tools, told.model) == ("embed", False, "b/v")


def test_lots_are_told_as_lots() -> None:
    """Where nothing keeps a call on its side, the next one may go elsewhere, and that is said."""
    rule = Rule(name="rollout", split=(Split(model="b/m", percentage=50),))
    bench = Bench(rule)
    drawn, kept = bench.ask(), bench.ask(conversation="one")
    assert [one.rules[0].drawn for one in (drawn, kept)] == [True, False]
    assert "drawn by lot" in drawn.text
    assert "drawn by lot" not in kept.text
    assert {bench.ask(conversation="one").model for _ in range(20)} == {kept.model}
    by_message = bench.ask(request={**CHAT, "model": "up/m"})
    assert by_message.rules[0].drawn is False


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"[]", None),
        (b"\xff", None),
        (b'{"more": 1}', None),
        (b'{"tags": "batch"}', "tags"),
        (b'{"tags": [" batch"]}', "tags[0]"),
        (b'{"tags": ["a,b"]}', "tags[0]"),
        (b'{"at": "soon"}', "at"),
        (b'{"at": "2026-03-04T12:00:00"}', "at"),
        (b'{"at": "1066-10-14T09:00:00Z"}', "at"),
        (b'{"input_tokens": -1}', "input_tokens"),
        (b'{"input_tokens": 10000000000}', "input_tokens"),
        (b'{"operation": "sing"}', "operation"),
        (b'{"modalities": ["smell"]}', "modalities[0]"),
    ],
)
def test_nonsense_is_refused(body: bytes, param: str | None) -> None:
    """What cannot be asked is named."""
    with pytest.raises(InvalidRequest) as refused:
        parse_question(body)
    assert refused.value.param == param


@pytest.mark.parametrize("request_body", [5, [], {"model": 5}])
def test_a_request_that_is_none_is_refused(request_body: object) -> None:
    """The body must be that of a call."""
    with pytest.raises(InvalidRequest):
        Bench().ask(request=request_body)


def test_no_request_is_no_request() -> None:
    """Null stands for none, as elsewhere."""
    question = parse_question(b'{"request": null, "model": "up/m"}')
    assert Bench().explainer.explain(question, LOCAL).model == "up/m"


def test_it_can_be_sent() -> None:
    """All of it is JSON."""
    told = Bench(Rule(name="all", use="b/m")).ask()
    assert json.loads(msgspec.json.encode(told))["candidates"][0]["reason"] == "the rule names it"


def test_a_merge_is_told_with_the_way_of_each() -> None:
    """Who is asked, where each call would go, and who chooses; the default model may be one."""
    members = (Member(model="up/m"), Member(model="b/m"))
    bench = Bench(models=(VirtualModel(name="quick", members=members),))
    recipe = Recipe(models=("quick", "nobody/m"), mode="best_of", judge="alias")
    bench.merges.adopt(Merges({"panel": recipe, "": recipe}))
    told = bench.ask(model="panel")
    assert told.merge is not None
    assert (told.merge.mode, told.model, told.target) == ("best_of", "narthex/merge", "panel")
    assert [one.model for one in told.merge.members] == ["up/m", None]
    assert [one.model for one in told.merge.members[0].candidates] == ["up/m", "b/m"]
    assert told.merge.judge is not None
    assert told.merge.judge.model == "b/m"
    for line in (
        "merge: best_of of 2 models",
        "member 2:",
        "  served by: nobody",
        "judge:",
        "served by: narthex/merge",
    ):
        assert line in told.text.splitlines()
    unnamed = bench.ask_as(LOCAL, {"request": {}}).merge
    assert unnamed is not None
    assert [one.model for one in unnamed.members] == ["up/m", None]


def test_a_merge_of_nobody_is_served_by_nobody() -> None:
    """A list in the name is explained, too; only chats are answered by several."""
    bench = Bench()
    told = bench.ask(model="merge:nobody/a,nobody/b")
    assert (told.model, told.text.splitlines()[-1]) == (None, "served by: nobody")
    with pytest.raises(InvalidRequest, match="chats only"):
        bench.ask(model="merge:nobody/a,nobody/b", operation="embed")


def bounded(*models: str, **more: object) -> Caller:
    """Return a caller who may use these models only."""
    routes = more.pop("routes", ())
    scopes = Scopes(models=models, routes=routes)  # type: ignore[arg-type]  # a test's own words
    return replace(LOCAL, name="app", bounds=Bounds(scopes, **more))  # type: ignore[arg-type]  # passed on


def test_who_may_not_use_a_model_is_told_so() -> None:
    """In the words in which the call would be refused; a fallback that is allowed serves it no more than then."""
    told = Bench(up_m=["b/m"]).ask_as(bounded("b/*"), {"model": "up/m"})
    assert (told.model, [one.permitted for one in told.candidates]) == (None, [False, True])
    assert told.refused == "the model 'up/m' is not among those that this API key may use: b/*"
    assert "up/m is left out: the key or its workspace does not allow it" in told.text
    assert told.text.splitlines()[-2:] == [f"refused: {told.refused}", "served by: nobody"]


def test_of_a_virtual_model_those_are_in_line_who_are_allowed() -> None:
    """As they would be for this caller, also in the header."""
    fast = VirtualModel(name="fast", members=(Member(model="up/m"), Member(model="b/m")))
    told = Bench(models=(fast,)).ask_as(bounded("b/*"), {"model": "fast"})
    assert (told.model, told.refused) == ("b/m", None)
    assert told.header == "via=fast; by=order; to=b/m"
    told = Bench(models=(fast,)).ask_as(bounded("fast"), {"model": "fast"})
    assert (told.model, told.header) == ("up/m", "via=fast; by=order; to=up/m,b/m")
    told = Bench(models=(fast,)).ask_as(bounded("c/*"), {"model": "fast"})
    assert (told.model, told.header) == (None, None)


def test_the_models_of_the_workspace_are_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its default model, where none is named, and its provider first."""
    caller = bounded(default_model="b/x", default_provider="b")
    assert Bench().ask_as(caller, {"model": None}).model == "b/x"
    bench = Bench()
    monkeypatch.setattr(bench.house.catalog, "knows", lambda name: name == "b/m")
    assert bench.ask_as(caller, {"model": "m"}).model == "b/m"


def test_a_key_that_is_not_good_for_such_calls_is_refused() -> None:
    """By its routes, its role, or its end."""
    told = Bench().ask_as(bounded(routes=("embeddings",)), {"model": "up/m"})
    assert (told.model, "not good for `chat` routes" in (told.refused or "")) == (None, True)
    assert Bench().ask_as(bounded(routes=("embeddings",)), {"model": "up/m", "operation": "embed"}).model == "up/m"
    assert "expired" in (Bench().ask_as(bounded(ends_at=1.0), {"model": "up/m"}).refused or "")
    assert "no `models:call`" in (Bench().ask_as(bounded(may_call=False), {"model": "up/m"}).refused or "")


def test_what_bounds_anothers_key_is_told_in_its_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    """And to who runs the server."""
    bench = Bench()
    other = bounded("b/*")
    monkeypatch.setattr(bench.explainer._keyring, "caller", lambda _name: other)
    apart = replace(LOCAL, name="me", account=replace_account(LOCAL.account), is_operator=False)
    said = {"model": "up/m", "caller": "app"}
    assert bench.ask_as(replace(LOCAL, name="me"), said).refused
    assert bench.ask_as(apart, said).refused is None
    assert bench.ask_as(replace(apart, is_operator=True), said).refused


def replace_account(account: Account) -> Account:
    """Return an account of another workspace."""
    return msgspec.structs.replace(account, workspace_id="ws_other")


def test_calls_that_begin_alike_go_to_the_same_member() -> None:
    """As it is explained; `x-narthex-context-cache: off` has them take turns, and small ones do without."""
    members = (Member(model="up/m"), Member(model="b/m"))
    bench = Bench(models=(VirtualModel(name="fast", members=members, strategy="weighted"),))
    call = {**CHAT, "model": "fast", "messages": [{"role": "system", "content": "Be brief. " * 400}, *TURN]}
    told = bench.ask(request=call)
    assert told.candidates[0].reason == "chosen by how the call begins of fast"

    def served(body: Mapping[str, object], **headers: bytes) -> set[str]:
        given = {name.replace("_", "-").encode(): value for name, value in headers.items()}
        made = [exchange(dict(body), headers=given) for _ in range(14)]
        for one in made:
            one.caller = LOCAL
            one.read_head()
        return {bench.house.router.plan(facts_of(one)).candidates[0].name for one in made}

    assert served(call) == {told.model}
    # The other has its share of all calls by those that take turns.
    assert served(call, x_narthex_context_cache=b"off") == {"up/m", "b/m"} - {told.model}
    assert served({**CHAT, "model": "fast"}) == {"up/m", "b/m"}
    assert len(served({**CHAT, "model": "fast"}, x_narthex_context_cache=b"on")) == 1
