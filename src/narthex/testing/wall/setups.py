"""How a gateway is told of a wall: as a configuration of ours, and in words for any other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import get_args

from narthex.testing.catalogue import DOORS, HEALTHY, Door
from narthex.testing.wall.asking import Wire
from narthex.testing.wall.server import Wall

SPARE = "wall-spare"
"""The provider that is well, for those who can fall back."""

_KEY = "wall"
_UNITS = {"connect_s": 2.0, "headers_s": 2.5, "first_token_s": 3.0, "idle_s": 2.0, "total_s": 10.0}
"""How long each step may take, in units of the catalogue."""


def provider_name(wire: Wire, door: Door | None = None) -> str:
    """Return the name that the wall, or one of its doors, is configured under."""
    return f"wall-{wire}-{door.replace('_', '-')}" if door else f"wall-{wire}"


def base_urls(wall: Wall) -> dict[str, tuple[Wire, str, tuple[str, ...]]]:
    """Return every provider to configure: its wire, its base address and its models."""
    wires: tuple[Wire, ...] = get_args(Wire)
    open_models = (HEALTHY, *(entry.model for entry in wall.entries if entry.door is None))
    found: dict[str, tuple[Wire, str, tuple[str, ...]]] = {
        provider_name(wire): (wire, _base(wall.url, wire), open_models) for wire in wires
    }
    for wire in wires:
        for door in DOORS:
            models = tuple(entry.model for entry in wall.entries if entry.door == door)
            found[provider_name(wire, door)] = (wire, _base(wall.doors.address(door), wire), models)
    return found


def _base(url: str, wire: Wire) -> str:
    return f"{url}/v1" if wire == "openai" else url


def gateway_settings(wall: Wall, *, unit_s: float, rescue: str | None = None) -> dict[str, object]:
    """Return the configuration of a Narthex whose providers are a wall.

    Args:
        wall: The wall, listening.
        unit_s: The unit of its catalogue: two of them may pass between pieces, ten in a whole call.
        rescue: What to do about streams that break; with None nothing is fallen back on either.
    """
    providers: dict[str, object] = {
        name: {"kind": wire, "base_url": address, "api_key": _KEY, "models": list(models)}
        for name, (wire, address, models) in base_urls(wall).items()
    }
    providers[SPARE] = {"kind": "openai", "base_url": f"{wall.url}/v1", "api_key": _KEY, "models": [HEALTHY]}
    settings: dict[str, object] = {
        "providers": providers,
        "timeouts": {name: units * unit_s for name, units in _UNITS.items()},
        "default_model": f"{SPARE}/{HEALTHY}",
        "log": {"requests": False},
        # All models but one fail here by design: that says nothing about the others.
        "breakers": {"provider_wide": False},
    }
    if rescue is not None:
        settings |= {
            "fallbacks": {"*": [f"{SPARE}/{HEALTHY}"]},
            "rescue": rescue,
            # Each fault is looked at by itself: a budget for retries would be spent by the faults of the others.
            "retries": {"budget_percent": 100.0, "base_s": unit_s / 10},
        }
    return settings


def instructions(wall: Wall, model: str = "{provider}/{model}") -> Iterator[str]:
    """Yield the lines that tell how another gateway is configured for a wall."""
    yield "Configure these providers, with any key, retries and fallbacks as you would run them:"
    yield ""
    rows: Mapping[str, tuple[Wire, str, tuple[str, ...]]] = base_urls(wall)
    width = max(map(len, rows))
    for name, (wire, address, models) in rows.items():
        listed = ", ".join(models) if len(models) < 3 else f"{HEALTHY}, fault-… (all of GET {wall.url}/v1/models)"
        yield f"  {name:<{width}}  {wire:<9}  {address}  {listed}"
    yield f"  {SPARE:<{width}}  {'openai':<9}  {wall.url}/v1  {HEALTHY}"
    yield ""
    yield f"Its models are asked for as {model}, such as {model.format(provider='wall-openai', model='fault-stall')};"
    yield "choose other names with --model. Where it can fall back, let every model fall back on the last provider."
