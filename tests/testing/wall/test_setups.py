"""How a gateway is told of a wall."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from narthex.config.settings import Settings
from narthex.testing.wall import Wall
from narthex.testing.wall.setups import SPARE, base_urls, gateway_settings, instructions, provider_name


@pytest.fixture(scope="module")
def wall() -> Iterator[Wall]:
    """Return a wall that listens."""
    with Wall() as running:
        yield running


def test_every_fault_has_a_provider(wall: Wall) -> None:
    """On both wires, at the address that plays it."""
    known = base_urls(wall)
    for entry in wall.entries:
        for wire in ("openai", "anthropic"):
            told, _, models = known[provider_name(wire, entry.door)]
            assert told == wire
            assert entry.model in models


def test_our_configuration_is_one(wall: Wall) -> None:
    """It is accepted by the settings, with waits in the proportion that the catalogue expects."""
    settings = Settings.model_validate(gateway_settings(wall, unit_s=0.5))
    assert settings.providers[SPARE].models == ("healthy",)
    assert (settings.timeouts.idle_s, settings.timeouts.total_s) == (1.0, 5.0)


def test_a_rescue_falls_back_on_the_spare(wall: Wall) -> None:
    """Told to rescue, every model has the one that is well behind it, and the settings take that."""
    settings = gateway_settings(wall, unit_s=0.5, rescue="continue")
    assert settings["fallbacks"] == {"*": ["wall-spare/healthy"]}
    assert settings["rescue"] == "continue"
    assert Settings.model_validate(settings).rescue == "continue"
    assert "rescue" not in gateway_settings(wall, unit_s=0.5)


def test_others_are_told_in_words(wall: Wall) -> None:
    """Each address stands there, and how a model is asked for."""
    text = "\n".join(instructions(wall, "{model}@{provider}"))
    assert all(address in text for _, address, _ in base_urls(wall).values())
    assert "fault-stall@wall-openai" in text
