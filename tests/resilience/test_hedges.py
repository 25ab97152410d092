"""What became of second attempts is counted, and no number of models makes the counters grow without end."""

from __future__ import annotations

from narthex.resilience.hedges import MAX_MODELS, HedgeEnd, Hedges


def test_every_end_is_told_from_the_start() -> None:
    """A scrape finds all counters, at zero before anything has happened."""
    counters = Hedges()
    counters.begun, counters.refused = 3, 2
    counters.ended[HedgeEnd.WON] += 1
    lines = [line for line in counters.lines() if line.startswith("narthex_hedges_total")]
    counts = {"begun": 3, "refused": 2, "won": 1, "lost": 0, "failed": 0, "dropped": 0}
    assert lines == [f'narthex_hedges_total{{event="{event}"}} {count}' for event, count in counts.items()]


def test_prompts_are_counted_by_model() -> None:
    """Tokens of one model add up, and its name is written so that it cannot break the page."""
    counters = Hedges()
    counters.let_go('a/"m"', 10)
    counters.let_go('a/"m"', 5)
    assert 'narthex_hedge_input_tokens_total{model="a/\\"m\\""} 15' in list(counters.lines())


def test_models_beyond_the_bound_are_counted_together() -> None:
    """The tokens of all of them are there, under `other`."""
    counters = Hedges()
    for number in range(MAX_MODELS + 5):
        counters.let_go(f"a/{number}", 1)
    counters.let_go("a/0", 1)
    lines = [line for line in counters.lines() if line.startswith("narthex_hedge_input_tokens_total")]
    assert len(lines) == MAX_MODELS + 1
    assert lines[0].endswith(" 2")
    assert lines[-1] == 'narthex_hedge_input_tokens_total{model="other"} 5'
