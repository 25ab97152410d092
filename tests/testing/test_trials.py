"""The catalogue held against gateways: the wall itself, which stands for one that passes everything on, and worse."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from narthex.testing import ScriptedUpstream, running_gateway
from narthex.testing.acts import whole
from narthex.testing.catalogue import catalogue
from narthex.testing.scorecard import Score, Scorecard
from narthex.testing.trials import Gateway, Trial, cases
from narthex.testing.wall import Wall
from narthex.testing.wall.setups import gateway_settings
from narthex.testing.wires import openai_answer

UNIT_S = 0.1
HONEST = ("fail_503", "rate_limit", "truncate", "stall", "disconnect", "corrupt", "split_utf8", "huge_chunk", "limits")


@pytest.fixture(scope="module")
def wall() -> Iterator[Wall]:
    """Return a wall whose answers tell for whom they are."""
    with Wall(unit_s=UNIT_S, reply="{prompt} Καλημέρα one two three four five six seven eight") as running:
        yield running


def _verdicts(card: Scorecard) -> dict[str, str]:
    return {f"{score.name} {score.wire} {score.form}": score.verdict for score in card.scores}


async def test_a_gateway_that_passes_everything_on_fails_where_it_lies(wall: Wall) -> None:
    """Asked without a gateway between, the wall shows what an application is left with; the verdicts can fail."""
    nothing_between = Gateway(url=wall.url, model="{model}", deadline_s=1.0)
    trial = Trial(nothing_between, wall)
    assert await trial.greet() == []
    found = _verdicts(await trial.run(HONEST))
    assert found["fail_503 openai whole"] == found["rate_limit anthropic streamed"] == "safe"
    assert found["truncate openai streamed"] == found["truncate anthropic whole"] == "failed"
    assert found["stall openai whole"] == found["stall anthropic streamed"] == "failed"
    assert found["disconnect anthropic streamed"] == "partial"
    assert found["split_utf8 openai streamed"] == found["huge_chunk anthropic whole"] == "rescued"
    assert found["limits openai whole"] == "safe"


async def test_the_provider_s_view_is_that_of_the_call(wall: Wall) -> None:
    """Attempts are counted for each call by itself, and who left a silent provider is seen."""
    seen: list[Score] = []
    trial = Trial(Gateway(url=wall.url, model="{model}", deadline_s=0.5), wall, wires=("openai",), on_score=seen.append)
    card = await trial.run(["stall", "fail_500"])
    assert len(seen) == len(card.scores) == 4
    for score in card.scores:
        assert (score.provider.attempts, score.provider.rescues, score.provider.lingering) == (1, 0, 0)
        assert score.provider.abandoned == (score.name == "stall")
        assert score.provider.sent_bytes > 0


async def test_a_gateway_that_makes_answers_up_fails(wall: Wall) -> None:
    """A wrong answer is seen, though it is whole."""
    with ScriptedUpstream() as liar:
        liar.always(whole(openai_answer("Whatever you like to hear.")))
        trial = Trial(Gateway(url=liar.url), wall, wires=("openai",))
        assert [wire for wire, _ in await trial.greet()] == ["openai"]
        card = await trial.run(["fail_500"])
    assert card.by_name()["fail_500"][0].verdict == "failed"


def test_every_call_has_a_prompt_of_its_own() -> None:
    """Told apart by what is asked, and the same for the same seed."""
    prompts = [case.prompt for entry in catalogue() for case in cases(entry, ("openai", "anthropic"), 0)]
    assert len(set(prompts)) == len(prompts) > 200
    assert prompts == [case.prompt for entry in catalogue() for case in cases(entry, ("openai", "anthropic"), 0)]


KNOWN: frozenset[str] = frozenset()
"""Faults that our gateway still passes on as they are, streamed; the list only shrinks."""


@pytest.mark.parametrize("rescue", [None, "continue"])
async def test_our_gateway_never_lies_and_never_hangs(rescue: str | None) -> None:
    """Every fault ends in a right answer, a part with an error, or a clear error; with a spare model, in the best."""
    with (
        Wall(unit_s=UNIT_S, reply="{prompt} Καλημέρα one two three four five six seven eight nine ten") as wall,
        running_gateway(gateway_settings(wall, unit_s=4 * UNIT_S, rescue=rescue)) as gateway,
    ):
        trial = Trial(Gateway(url=gateway.url, deadline_s=40 * UNIT_S + 6), wall)
        assert await trial.greet() == []
        card = await trial.run()
    assert len(card.scores) > 200
    told = {f"{score.name} {score.wire} {score.form}": score for score in card.scores if score.name not in KNOWN}
    failed = {name: score.judgement.reason for name, score in told.items() if score.verdict == "failed"}
    lost = {name: score.judgement.reason for name, score in told.items() if rescue and _is_lost(score)}
    assert (failed, lost) == ({}, {})


def _is_lost(score: Score) -> bool:
    return score.best == "rescued" and score.verdict != "rescued"
