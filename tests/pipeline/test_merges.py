"""Tests of names that stand for several models."""

from __future__ import annotations

import pytest

from narthex.config.merge_settings import MergeSettings
from narthex.config.settings import Settings
from narthex.errors import InvalidRequest, ModelNotFound
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.merges import Merges, Recipe, configured_merges, read_mode
from narthex.types.dialects import Dialect
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest

DUEL = Recipe(models=("a/x", "b/y"), mode="best_of", judge="j/z", criteria="Short.")


def asked(model: str, headers: dict[bytes, bytes] | None = None, *, n: int | None = None) -> Exchange:
    """Return a chat for this model."""
    messages = (Message(role="user", parts=(Text(text="hi"),)),)
    request = ChatRequest(model=model, messages=messages, stream=True, n=n)
    return Exchange(Dialect.OPENAI_CHAT, b"{}", headers or {}, request=request)


def test_which_names() -> None:
    """A list in the name, and the names of the configuration; nothing else."""
    merges = Merges({"duel": DUEL})
    assert "duel" in merges
    assert "merge:a/x,b/y" in merges
    assert "a/x" not in merges
    merges.adopt(Merges())
    assert "duel" not in merges


def test_what_a_name_asks_for() -> None:
    """The configuration says how, unless headers say otherwise; a list in a name races."""
    merges = Merges({"duel": DUEL})
    merger = merges.merger(asked("duel"))
    assert (merger.mode, merger.sources, merger.judge, merger.criteria) == ("best_of", DUEL.models, "j/z", "Short.")
    assert merges.merger(asked("duel", {b"x-narthex-merge": b"sequence"})).mode == "sequence"
    merger = merges.merger(asked("merge: a/x , b/y", {b"x-narthex-judge": b"c/d"}))
    assert (merger.mode, merger.sources, merger.judge) == ("race", ("a/x", "b/y"), "c/d")
    assert [request.stream for request in merger.requests] == [True, True]


def test_every_model_is_looked_up() -> None:
    """The judge too; what is not there is told before anybody is asked."""
    merges, seen = Merges({"duel": DUEL}), list[str]()
    merges.check(merges.merger(asked("duel")), seen.append)
    assert seen == ["a/x", "b/y", "j/z"]

    def missing(name: str) -> None:
        raise ModelNotFound(name)

    with pytest.raises(ModelNotFound):
        merges.check(merges.merger(asked("duel")), missing)


def test_several_answers_of_each_are_refused() -> None:
    """The remedy is in the error."""
    merges = Merges({"duel": DUEL})
    with pytest.raises(InvalidRequest, match="remove `n`"):
        merges.check(merges.merger(asked("duel", n=2)), str)


def test_modes() -> None:
    """A word that is none names those there are."""
    assert read_mode("race") == "race"
    with pytest.raises(InvalidRequest, match="`interleave`"):
        read_mode("vote")


def test_the_configuration() -> None:
    """Its merges are taken as they stand."""
    settings = Settings(merges={"duel": MergeSettings(models=("a/x", "b/y"), mode="sequence")})
    assert configured_merges(settings).recipes == {"duel": Recipe(models=("a/x", "b/y"), mode="sequence")}


def test_what_leads_to_one_is_one() -> None:
    """Aliases, and the empty name where the default model is one."""
    merges = {"duel": MergeSettings(models=("a/x", "b/y"))}
    aliases = {"both": "pair", "pair": "duel", "one": "a/x"}
    known = configured_merges(Settings(merges=merges, aliases=aliases, default_model="both"))
    assert sorted(known.recipes) == ["", "both", "duel", "pair"]
    assert known.merger(asked("")).sources == ("a/x", "b/y")
    with pytest.raises(InvalidRequest, match="stands for several"):
        known.check(known.merger(asked("merge:a/x,both")), str)


def test_a_list_without_end_is_refused_unread() -> None:
    """Nothing is made for each of its names."""
    with pytest.raises(InvalidRequest, match="1000001 models: name 2 to 8"):
        Merges().merger(asked("merge:" + "," * 1_000_000))
