"""How calls begin: alike where a provider has read the same, and each workspace for itself."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from narthex.errors import InvalidRequest
from narthex.pipeline.beginnings import prefix_of
from narthex.pipeline.exchange import Exchange
from narthex.tenancy.keys import Caller
from narthex.types.dialects import Dialect, Operation
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest

RULES = "Answer as a lawyer would. " * 200
HEADER = b"x-narthex-context-cache"


def begun(body: Mapping[str, object], dialect: Dialect = Dialect.OPENAI_CHAT, **more: object) -> bytes:
    """Return how a call begins; `said` is what its header says."""
    said, auto = more.pop("said", None), bool(more.pop("auto", True))
    headers = {} if said is None else {HEADER: str(said).encode()}
    return prefix_of(Exchange(dialect, json.dumps(body).encode(), headers, **more), auto=auto)  # type: ignore[arg-type]


def talk(*said: str, system: str = RULES) -> dict[str, object]:
    """Return a conversation."""
    turns = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(said)]
    return {"model": "up/m", "messages": [{"role": "system", "content": system}, *turns]}


def test_single_questions_are_known_by_their_instructions() -> None:
    """Whatever they ask; other tools or instructions are another beginning."""
    assert begun(talk("Hi")) == begun(talk("Bye")) != b""
    assert begun(talk("Hi")) != begun(talk("Hi", system=RULES + "!"))
    assert begun(talk("Hi")) != begun({**talk("Hi"), "tools": [{"type": "function", "function": {"name": "f"}}]})
    assert len(begun(talk("Hi"))) == 16


def test_conversations_stay_where_they_are() -> None:
    """From the second turn on each is known by what was said first, however far it goes."""
    assert begun(talk("Hi", "Ho", "So")) == begun(talk("Hi", "Ho", "So", "Oh", "No")) != begun(talk("Hi"))
    assert begun(talk("Hi", "Ho", "So")) != begun(talk("Bye", "Ho", "So"))
    # With small instructions the first turn is where it stays already.
    assert begun(talk("Hi" * 3_000, system="")) == begun(talk("Hi" * 3_000, "Ho", "So", system=""))


def test_every_dialect_is_read() -> None:
    """The system prompt stands elsewhere, and what is said may be one text."""
    assert begun(
        {"system": RULES, "messages": [{"role": "user", "content": "x"}]}, Dialect.ANTHROPIC_MESSAGES
    ) == begun({"messages": [{"role": "user", "content": "y"}], "system": RULES}, Dialect.ANTHROPIC_MESSAGES)
    responses = {"instructions": RULES, "input": "x"}
    assert begun(responses, Dialect.OPENAI_RESPONSES) == begun({**responses, "input": "y"}, Dialect.OPENAI_RESPONSES)
    message = Message(role="user", parts=(Text(text=RULES),))
    native = Exchange(Dialect.NATIVE, b"", {}, request=ChatRequest(model="up/m", messages=(message,)))
    assert len(prefix_of(native, auto=True)) == 16


def test_what_is_small_or_unwanted_is_nothing() -> None:
    """Below what a provider keeps; where it is switched off; where it is no chat, or cannot be read."""
    assert begun(talk("Hi", system="Be brief.")) == b""
    assert begun(talk("Hi"), auto=False) == b""
    assert begun(talk("Hi"), said="off") == b""
    assert begun({"input": RULES}, Dialect.OPENAI_EMBEDDINGS, operation=Operation.EMBED) == b""
    for messages in (7, [7], None):
        begun({"messages": messages, "x": RULES})
    assert prefix_of(Exchange(Dialect.OPENAI_CHAT, b"{" * 5_000, {}), auto=True) == b""
    assert begun(talk("Hi", system="Be brief."), said="on") != b""
    assert begun(talk("Hi"), said="on", auto=False) != b""
    with pytest.raises(InvalidRequest, match="say `on` or `off`"):
        begun(talk("Hi"), said="maybe")


def test_each_tenant_is_alone() -> None:
    """The same beginning of another is another."""
    one, other = (begun(talk("Hi"), caller=Caller(name="app", tenant=tenant)) for tenant in ("acme", "emca"))
    assert one != other
