"""Which models somebody sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from narthex.http.visible import Visible
from narthex.tenancy.bounds import Bounds
from narthex.tenancy.keys import LOCAL, Caller
from narthex.tenancy.scopes import Scopes
from tests.http.doors import DEMO, house

SETTINGS: dict[str, object] = {
    "providers": {"demo": DEMO, "other": DEMO},
    "aliases": {"fast": "demo/m", "lost": "demo/none", "team": "mixed"},
    "virtual": {"mixed": {"members": ["other/m", "demo/m"]}},
    "merges": {"both": {"models": ["demo/m", "other/m"]}},
}
NAMES = ("demo/m", "other/m", "fast", "lost", "mixed", "team", "both")


@pytest.mark.parametrize(
    ("models", "seen"),
    [
        ((), NAMES),
        (("demo/*",), ("demo/m", "fast", "mixed", "team")),
        (("fast",), ("fast",)),
        (("team",), ("team",)),
        (("*/m",), ("demo/m", "other/m", "fast", "mixed", "team", "both")),
        (("nothing",), ()),
    ],
)
async def test_names_are_seen_that_lead_where_one_may_go(
    tmp_path: Path, models: tuple[str, ...], seen: tuple[str, ...]
) -> None:
    """A virtual model by any of its members, a merge by all of them, an alias by itself or by what it stands for."""
    async with house(tmp_path, **SETTINGS) as one:
        bounds = Bounds(Scopes(models=models)) if models else None
        visible = Visible(one.services, Caller(name="k", bounds=bounds))
        assert tuple(name for name in NAMES if visible.sees(name)) == seen


async def test_a_plain_name_is_looked_for_at_the_default_provider_first(tmp_path: Path) -> None:
    """As calls do: an alias stays what it is, and so does what that provider does not have."""
    async with house(tmp_path, **SETTINGS) as one:
        await one.services.refresh()
        bounds = Bounds(Scopes(), default_provider="other")
        visible = Visible(one.services, Caller(name="k", bounds=bounds))
        told = [visible.meant(name) for name in ("m", "fast", "demo/m", "unknown")]
        assert told == ["other/m", "fast", "demo/m", "unknown"]
        assert Visible(one.services, LOCAL).meant("m") == "m"
