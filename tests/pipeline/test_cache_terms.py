"""Whether a call may be answered from the cache, and on which terms."""

from __future__ import annotations

from dataclasses import replace

import pytest

from narthex.config.cache_settings import CacheSettings
from narthex.pipeline import cache_terms
from narthex.pipeline.cache_terms import CachePolicy, Terms, is_deterministic
from narthex.pipeline.exchange import Exchange
from narthex.providers.catalog import Target
from narthex.providers.contract import Timeouts
from narthex.tenancy.keys import Caller
from narthex.types.accounts import Account
from narthex.types.dialects import Dialect, Operation
from narthex.types.requests import EmbeddingRequest
from tests.pipeline.doubles import Double, exchange
from tests.pipeline.recalled import ZERO, call

ALICE = Caller(
    name="alice",
    workspace="ws_a",
    account=Account(organisation_id="org_a", workspace_id="ws_a", user_id="usr_a", key_id="key_a"),
)


def target(model: str = "m", provider: str = "up", **facts: str) -> Target:
    """Return a model at a provider."""
    there = Double(name=provider)
    for name, value in facts.items():
        setattr(there, name, value)
    return Target(name=f"{provider}/{model}", header=b"", model=model, provider=there, timeouts=Timeouts())


def terms(asked: Exchange, *, at: Target | None = None, caller: Caller = ALICE, **settings: object) -> Terms | None:
    """Return on which terms a call may be answered from the cache."""
    asked.read_head()
    asked.target, asked.caller = at or target(), caller
    policy = CachePolicy(CacheSettings.model_validate(settings))
    return policy.terms(asked) if policy.concerns(asked) else None


@pytest.mark.parametrize(
    ("mode", "plain", "zero", "asked"),
    [("off", 0, 0, 0), ("asked", 0, 0, 1), ("deterministic", 0, 1, 1), ("all", 1, 1, 1)],
)
def test_modes(mode: str, plain: int, zero: int, asked: int) -> None:
    """Each lets more calls in than the one before."""
    calls = [call({**ZERO, "temperature": 1}), call(), call({**ZERO, "temperature": 1}, x_narthex_cache="on")]
    assert [terms(one, mode=mode) is not None for one in calls] == [bool(one) for one in (plain, zero, asked)]


def test_a_cache_that_is_switched_off_has_terms_for_nobody() -> None:
    """Not for those who ask, either."""
    assert terms(call(x_narthex_cache="on"), enabled=False) is None


def test_the_first_rule_that_fits_says_it() -> None:
    """By model, workspace, key and operation; what it leaves out is as it is for all."""
    rules = [
        {"model": "up/other*", "mode": "off"},
        {"workspace": "ws_b", "mode": "off"},
        {"key": "bob", "mode": "off"},
        {"operation": "embeddings", "mode": "off"},
        {"model": "up/*", "workspace": "ws_a", "key": "key_a", "operation": "chat", "ttl_s": 5, "tool_calls": True},
        {"mode": "off"},
    ]
    made = terms(call(), rules=rules, stale_if_error_s=7)
    assert made is not None
    assert (made.fresh_ms, made.error_ms, made.tool_calls) == (5_000, 7_000, True)
    assert terms(call(), at=target("other1"), rules=rules) is None
    named = call(x_narthex_cache="on; ttl=9")
    assert (again := terms(named, rules=rules)) is not None
    assert again.fresh_ms == 9_000


def test_what_tells_models_apart() -> None:
    """Another provider of the same name, another address, another model behind it: another key."""
    places = [target(), target("n"), target(kind="anthropic"), target(base_url="http://a"), target(base_url="http://b")]
    made = [terms(call(), at=place) for place in places]
    assert len({one.key for one in made if one is not None}) == len(places)


def test_tags_say_whose_it_is() -> None:
    """Everything by which answers are declared void: model, workspace, key, user, end user, and tags of one's own."""
    asked = call({**ZERO, "user": "eve"}, x_narthex_cache="on; tags=t")
    asked.model_asked = "alias"
    made = terms(asked)
    assert made is not None
    assert set(made.tags) == {
        *("scope:workspace:ws_a", "model:workspace:ws_a:up/m", "workspace:ws_a", "key:key_a", "user:usr_a"),
        *("end-user:ws_a:eve", "tag:workspace:ws_a:t"),
    }


def test_scopes_are_apart() -> None:
    """A workspace, a key and an end user are three circles; without a name an end user is the key."""
    said = ["workspace", "key", "user"]
    made = [terms(call({**ZERO, "user": "eve"}, x_narthex_cache=f"on; shared_by={scope}")) for scope in said]
    assert len({one.scope for one in made if one is not None}) == 3
    nameless = terms(call(x_narthex_cache="on; shared_by=user"))
    assert nameless is not None
    assert made[1] is not None
    assert nameless.scope == made[1].scope


def test_what_is_not_understood_is_sent_as_it_is() -> None:
    """A body that its provider may understand is no error of ours, and no question that is kept."""
    body = {**ZERO, "messages": [{"role": "user", "content": [{"type": "hologram"}]}]}
    assert terms(call(body)) is None


def test_counting_tokens_has_nothing_to_do_with_it() -> None:
    """Only chats and embeddings do."""
    asked = exchange({**ZERO}, dialect=Dialect.ANTHROPIC_COUNT_TOKENS, operation=Operation.COUNT_TOKENS)
    assert terms(asked, mode="all") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"web_search_options": {}},
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]}
            ]
        },
    ],
)
def test_what_depends_on_the_world_is_not_deterministic(changes: dict[str, object]) -> None:
    """A search, or a picture that lies elsewhere, may be another one tomorrow."""
    assert terms(call({**ZERO, **changes})) is None
    assert terms(call({**ZERO, **changes}, x_narthex_cache="on")) is not None


def test_what_was_worked_out_for_one_is_not_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes of another caller, for another model or under other headers are worked out by themselves."""
    monkeypatch.setattr(cache_terms, "MAX_KNOWN", 3)
    policy, places = CachePolicy(CacheSettings()), [target(), target("n")]
    bob = replace(
        ALICE, workspace="ws_b", account=Account(organisation_id="org_b", workspace_id="ws_b", key_id="key_b")
    )

    def key(caller: Caller, at: Target, **headers: str) -> bytes:
        asked = call(**headers)
        asked.read_head()
        asked.caller, asked.target = caller, at
        made = policy.terms(asked)
        assert made is not None
        return made.key

    named = {"x_narthex_cache": "on; namespace=v2"}
    asked = [(ALICE, places[0], {}), (bob, places[0], {}), (ALICE, places[1], {}), (ALICE, places[0], named)]
    keys: list[bytes] = []
    for _ in range(3):
        keys = [key(who, at, **headers) for who, at, headers in asked]
        assert len(set(keys)) == len(asked)
    again = replace(ALICE, bounds=None)
    assert key(again, places[0]) == keys[0]
    assert len(policy._known) <= 3


def test_vectors_are_deterministic() -> None:
    """Unless something is asked that is not known here."""
    assert is_deterministic(EmbeddingRequest(model="m", inputs=("a",)))
    assert not is_deterministic(EmbeddingRequest(model="m", inputs=("a",), extra={"input_type": "query"}))
