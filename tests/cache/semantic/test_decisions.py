"""The log of decisions, and the same decisions again."""

from __future__ import annotations

import msgspec

from narthex.cache.semantic.decisions import below, changed, decided_again
from narthex.cache.semantic.engine import Rules, Semantic
from narthex.cache.semantic.verifier import Verifier, shipped
from tests.cache.semantic.asking import ask

KNOWN = ("How do I reset my router?", "When does the museum open?", "How do I plant roses?", "Is the pool heated?")
ASKED = (
    "how can I reset the router",
    "When does the museum close?",
    "How do I plant tulips?",
    "is the pool heated",
    "How do I reset my old router?",
    "What time does the museum open?",
)


def logged(**rules: object) -> Semantic:
    """Return a semantic cache after some looks."""
    cache = Semantic(Rules(**rules))  # type: ignore[arg-type]  # its own fields
    for number, text in enumerate(KNOWN):
        cache.learn(ask(text), b"%d" % number)
    found = [cache.look(ask(text)) for text in ASKED]
    assert len(cache.decisions) == sum(one is not None for one in found) >= 5
    return cache


def test_every_look_is_decided_again_the_same_way() -> None:
    """From what the log holds alone, after a way over the wire; and two runs log the same."""
    cache = logged()
    copies = msgspec.json.decode(msgspec.json.encode(list(cache.decisions)), type=list[type(cache.decisions[0])])  # type: ignore[misc]
    assert [decided_again(copy, shipped()) for copy in copies] == [copy.outcome for copy in cache.decisions]
    assert list(changed(copies, shipped())) == []
    assert list(logged().decisions) == list(cache.decisions)
    assert {"hit", "contrary"} <= {decision.outcome for decision in cache.decisions}


def test_other_weights_show_what_they_would_change() -> None:
    """Without a word of what was asked being kept."""
    cache = logged()
    harsh = Verifier(msgspec.structs.replace(shipped().weights, bias=-100.0))
    assert {outcome for _, outcome in changed(cache.decisions, harsh)} == {"unlikely"}
    assert b"museum" not in msgspec.json.encode(list(cache.decisions))


def test_how_far_below() -> None:
    """Just below the threshold a judge's time is well spent."""
    assert below(1.0, 2.0) == "unsure"
    assert below(-5.0, 2.0) == "unlikely"
    assert below(-5.0, None) == "unlikely"
    assert below(0.5, 12.0) == below(0.5, None) == "unsure"
