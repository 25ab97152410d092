"""Providers' caches of prompts: marked where it pays, left alone where not, and never against the caller's words."""

from __future__ import annotations

import json

import pytest

from narthex.errors import InvalidRequest
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.outbound import outbound
from narthex.providers.catalog import Catalog
from narthex.providers.contract import Timeouts
from narthex.providers.prefixes import PrefixCaching, Prefixes
from narthex.tenancy.keys import Caller
from narthex.types.dialects import Dialect, Operation
from tests.pipeline.doubles import ANTHROPIC, OPENAI, Double, exchange
from tests.pipeline.prefixed import PrefixCache

LONG = "The rules of the house, told at length. " * 150
"""Some 1,500 tokens."""
TOOLS = [{"name": "look", "description": LONG, "input_schema": {"type": "object"}}]


class Place:
    """A model behind a provider's cache."""

    def __init__(
        self, *, way: str = "markers", auto: bool = True, model: str = "claude-sonnet-4-5", ttl: str = "5m"
    ) -> None:
        self.now = 0.0
        anthropic = way == "markers"
        caching = PrefixCaching(
            way="markers" if anthropic else "key",
            auto=auto,
            ttl="1h" if ttl == "1h" else "5m",
            prefixes=Prefixes(lambda: self.now),
        )
        double = Double(dialects=ANTHROPIC if anthropic else OPENAI)
        catalog = Catalog([(double, Timeouts())], caching={"up": caching})
        self.model = f"up/{model}"
        self.target = catalog.resolve(self.model)
        self.cache = PrefixCache()

    def sent(
        self,
        *messages: object,
        headers: dict[bytes, bytes] | None = None,
        dialect: Dialect = Dialect.ANTHROPIC_MESSAGES,
        caller: Caller | None = None,
        again: Exchange | None = None,
        **more: object,
    ) -> bytes:
        """Return what goes out for a call with these messages."""
        body = {"model": self.model, "max_tokens": 9, **more, "messages": messages}
        call = again or exchange(body, dialect=dialect, headers=headers)
        if caller is not None:
            call.caller = caller
        call.read_head()
        return outbound(call, self.target).call.body


def user(text: str = "hi") -> dict[str, object]:
    """Return what a user says."""
    return {"role": "user", "content": text}


def said(text: str = "hello") -> dict[str, object]:
    """Return what the model said."""
    return {"role": "assistant", "content": text}


def marks(body: bytes) -> list[str]:
    """Return what is marked: `tools`, `system`, and the numbers of messages."""
    read = json.loads(body)
    found = ["tools" for tool in read.get("tools", []) if "cache_control" in tool]
    found += ["system" for block in read.get("system", []) if "cache_control" in block]
    for number, message in enumerate(read["messages"]):
        found += [str(number) for block in message["content"] if "cache_control" in block]
    return found


def test_a_first_call_is_left_as_it_is() -> None:
    """Nobody knows yet whether it comes again: writing to the cache would cost, so no byte is another."""
    place = Place()
    body = json.dumps({"model": place.model, "max_tokens": 9, "system": LONG, "messages": [user()]}).encode()
    call = exchange(body, dialect=Dialect.ANTHROPIC_MESSAGES)
    call.read_head()
    assert outbound(call, place.target).call.body == body.replace(b"up/", b"")


def test_what_came_a_moment_ago_is_marked() -> None:
    """The same tools and system prompt in a second call are marked; later than they are kept, they count as new."""
    place = Place()
    assert [marks(place.sent(user(text), system=LONG, tools=TOOLS)) for text in "abc"] == [
        [],
        ["tools", "system"],
        ["tools", "system"],
    ]
    place.now += 300
    assert marks(place.sent(user(), system=LONG, tools=TOOLS)) == []
    hour = Place(ttl="1h")
    assert marks(hour.sent(user(), system=LONG)) == []
    hour.now += 300
    assert b'"ttl":"1h"' in hour.sent(user("b"), system=LONG)


def test_a_retry_is_no_second_use() -> None:
    """Attempts at one call say nothing of whether it comes again."""
    place = Place()
    call = exchange(
        {"model": place.model, "max_tokens": 9, "system": LONG, "messages": [user()]},
        dialect=Dialect.ANTHROPIC_MESSAGES,
    )
    assert marks(place.sent(again=call)) == marks(place.sent(again=call)) == []


def test_a_conversation_is_marked_up_to_the_turn_before() -> None:
    """From the second turn on: behind tools, behind the system prompt, and where all was said before."""
    place = Place()
    assert marks(place.sent(user(), said(), user("more"), system=LONG, tools=TOOLS)) == ["tools", "system", "0"]
    assert marks(place.sent(user(), said(), user(), said(), user(), system=LONG)) == ["system", "2"]


def test_results_of_tools_are_marked_themselves() -> None:
    """The next call repeats them: they are written at once, four marks in all."""
    place = Place()
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {}}]}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "seen"}]}
    assert marks(place.sent(user(), call, result, system=LONG, tools=TOOLS)) == ["tools", "system", "0", "2"]


def test_small_prefixes_are_not_marked() -> None:
    """What the model would not keep gets no mark, by the size that is its own."""
    small = Place(model="claude-opus-4-5")
    talk = (user(), said(), user())
    assert marks(small.sent(*talk, system=LONG)) == []
    assert marks(small.sent(user(LONG * 3), said(), user())) == ["0"]
    assert marks(Place().sent(*talk, system="short")) == []
    long_talk = Place().sent(user(LONG), said(), user(), system="short")
    assert marks(long_talk) == ["0"]


@pytest.mark.parametrize("word", [b"on", b"off"])
def test_the_callers_marks_are_the_only_ones(word: bytes) -> None:
    """Where the caller marks anything, nothing is added, whatever the header says."""
    place = Place()
    own = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    talk = (user(), said(), user())
    assert marks(place.sent(*talk, system=own, headers={b"x-narthex-context-cache": word})) == ["system"]
    top = json.loads(place.sent(*talk, system=LONG, cache_control={"type": "ephemeral"}))
    assert (top["system"], top["messages"]) == (LONG, list(talk))


def test_the_header_says_it_for_one_call() -> None:
    """`off` spares a call; `on` marks one at once, its end included, also where the configuration is off."""
    talk = (user(), said(), user())
    off = {b"x-narthex-context-cache": b"off"}
    on = {b"x-narthex-context-cache": b"On"}
    assert marks(Place().sent(*talk, system=LONG, headers=off)) == []
    assert marks(Place(auto=False).sent(*talk, system=LONG)) == []
    assert marks(Place(auto=False).sent(user(), system=LONG, headers=on)) == ["system", "0"]
    assert marks(Place().sent(*talk, system=LONG, headers=on)) == ["system", "0", "2"]
    with pytest.raises(InvalidRequest, match="say `on` or `off`"):
        Place().sent(user(), headers={b"x-narthex-context-cache": b"maybe"})


def test_what_one_workspace_asks_is_not_told_to_another() -> None:
    """Whether a prefix counts as known depends on one's own calls alone."""
    place = Place()
    place.sent(user(), system=LONG, caller=Caller(name="a", tenant="a"))
    assert marks(place.sent(user(), system=LONG, caller=Caller(name="b", tenant="b"))) == []
    assert marks(place.sent(user(), system=LONG, caller=Caller(name="c", tenant="a"))) == ["system"]


def test_thinking_stays_as_its_provider_wrote_it() -> None:
    """Signatures come back byte for byte, marks or none."""
    thought = '{"type": "thinking", "thinking": "1.50 \\u00e9",  "signature": "c2ln+/=="}'
    talk = f'{json.dumps(user())}, {{"role": "assistant", "content": [{thought}]}}, {json.dumps(user())}'
    body = f'{{"model": "up/m", "max_tokens": 9, "system": {json.dumps(LONG)}, "messages": [{talk}]}}'.encode()
    call = exchange(body, dialect=Dialect.ANTHROPIC_MESSAGES)
    call.read_head()
    sent = outbound(call, Place(model="m").target).call.body
    assert marks(sent) == ["system", "0"]
    assert thought.encode() in sent


@pytest.mark.parametrize("body", [b'{"model":"up/m","messages":{}', b'{"model":"up/m","messages":"x","messages":"x"'])
def test_what_cannot_be_read_goes_out_as_it_is(body: bytes) -> None:
    """A request that is not clear is left to its provider."""
    whole = body + b',"system":"' + LONG.encode() + b'"}'
    call = exchange(whole, dialect=Dialect.ANTHROPIC_MESSAGES)
    call.read_head()
    assert outbound(call, Place(model="m").target).call.body == whole.replace(b"up/", b"")


def test_translated_calls_are_marked_as_well() -> None:
    """A conversation in OpenAI's dialect uses Anthropic's cache; counts of tokens are left alone."""
    place = Place()
    system = {"role": "system", "content": LONG}
    sent = place.sent(system, user(), said(), user(), dialect=Dialect.OPENAI_CHAT)
    assert marks(sent) == ["system", "0"]
    counted = exchange(
        {"model": place.model, "system": LONG, "messages": [user(), said(), user()]},
        dialect=Dialect.ANTHROPIC_COUNT_TOKENS,
        operation=Operation.COUNT_TOKENS,
    )
    counted.read_head()
    assert b"cache_control" not in outbound(counted, place.target).call.body


# -- what it is worth, by a cache as the provider describes it ---------------------------------------------------------


def test_a_conversation_of_ten_turns_costs_a_third() -> None:
    """Ten turns with a long system prompt: most tokens are read from the cache, and all of it costs a third."""
    marked, plain = Place(), Place(auto=False)
    talk: list[object] = []
    for _ in range(10):
        talk.append(user("What about this? " * 20))
        for place in (marked, plain):
            place.cache.take(place.sent(*talk, system=LONG, tools=TOOLS))
        talk.append(said("Well, it depends. " * 20))
    assert plain.cache.read == plain.cache.written == 0
    assert plain.cache.tokens == marked.cache.tokens
    assert round(marked.cache.read / marked.cache.tokens, 2) == 0.76
    assert round(marked.cache.cost / plain.cache.cost, 2) == 0.34


def test_a_prompt_that_many_calls_share_costs_less() -> None:
    """Twenty single questions behind one system prompt: the first is plain, the second writes, the others read."""
    place = Place()
    took = [place.cache.take(place.sent(user(f"question {number}"), system=LONG)) for number in range(20)]
    assert took[0] == (0, 0)
    assert took[1][1] > 1_024
    assert {(read > 1_024, written) for read, written in took[2:]} == {(True, 0)}
    assert round(place.cache.cost / place.cache.tokens, 2) == 0.21


def test_calls_that_have_nothing_in_common_cost_nothing_more() -> None:
    """Single calls with prompts of their own are never marked, so that no surcharge is paid for them."""
    place = Place()
    for number in range(20):
        place.cache.take(place.sent(user(), system=f"{number} {LONG}"))
    assert (place.cache.read, place.cache.written) == (0, 0)


# -- providers that keep by themselves ---------------------------------------------------------------------------------


def keyed(
    place: Place,
    *messages: object,
    caller: Caller | None = None,
    headers: dict[bytes, bytes] | None = None,
    **more: object,
) -> object:
    """Return the key that goes out with a chat."""
    call = exchange({"model": place.model, **more, "messages": messages}, headers=headers)
    return json.loads(place.sent(again=call, caller=caller)).get("prompt_cache_key")


def test_calls_that_begin_alike_have_one_key() -> None:
    """The key is the same for the same instructions of one workspace, and another for every other one."""
    place = Place(way="key", model="gpt-5")
    system = {"role": "system", "content": LONG}
    key = keyed(place, system, user())
    assert isinstance(key, str)
    assert len(key) == 32
    assert keyed(place, system, user("other"), said(), user()) == key
    assert keyed(place, system, user(), tools=[{"type": "function"}]) != key
    assert keyed(place, system, user(), caller=Caller(name="b", tenant="b")) != key
    assert keyed(place, user(LONG), said(), user()) == keyed(place, user(LONG)) != keyed(place, user(LONG + "x"))


def test_the_callers_key_stays() -> None:
    """A caller's own key goes out as it is; small calls, and those that are not to be cached, get none."""
    place = Place(way="key", model="gpt-5")
    assert keyed(place, user(LONG), prompt_cache_key="mine") == "mine"
    assert keyed(place, user("small")) is None
    assert keyed(place, user(LONG), headers={b"x-narthex-context-cache": b"off"}) is None
    assert keyed(Place(way="key", auto=False), user(LONG)) is None
    assert keyed(place, "nonsense" * 900) is None


def test_the_key_is_all_that_is_added() -> None:
    """Every other byte goes out as it came."""
    place = Place(way="key", model="gpt-5")
    body = json.dumps({"model": place.model, "seed": 1.50, "messages": [user(LONG)]}, indent=2).encode()
    call = exchange(body)
    call.read_head()
    sent = outbound(call, place.target).call.body
    key = json.loads(sent)["prompt_cache_key"]
    assert sent.replace(b',"prompt_cache_key":"%b"' % key.encode(), b"") == body.replace(b"up/", b"")
