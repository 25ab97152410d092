"""The catalogue of faults."""

from __future__ import annotations

from narthex.testing.catalogue import DOORS, catalogue
from narthex.testing.scenarios import SCENARIOS, Delay, Drip


def test_every_scenario_has_an_entry() -> None:
    """Nothing that can be played is left out, and every name is there once."""
    entries = catalogue()
    assert {type(entry.scenario) for entry in entries} == set(SCENARIOS.values())
    assert len({entry.name for entry in entries}) == len(entries) >= 50
    assert {entry.door for entry in entries} - {None} == set(DOORS)


def test_a_model_is_named_for_its_fault() -> None:
    """In words that fit an address."""
    assert {entry.model for entry in catalogue()} >= {"fault-stall", "fault-fail-503", "fault-slow-headers"}


def test_waits_are_measured_in_units() -> None:
    """Half the unit, half the wait and twice the pace."""
    full, half = ({entry.name: entry.scenario for entry in catalogue(unit)} for unit in (1.0, 0.5))
    assert (full["delay"], half["delay"]) == (Delay(seconds=1.0), Delay(seconds=0.5))
    assert (full["drip"], half["drip"]) == (Drip(tokens_per_second=30), Drip(tokens_per_second=60))


def test_every_entry_says_what_it_does() -> None:
    """In a sentence, with what it was told."""
    said = {entry.name: entry.about for entry in catalogue()}
    assert said["fail_503"] == "Answers with an error status: status 503."
    assert all(text.endswith(".") for text in said.values())
