"""Limits laid over each other."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from narthex.providers.contract import PartialTimeouts, Timeouts

NAMES = Timeouts.__struct_fields__
SECONDS = st.floats(0.001, 86_400)
PARTIAL = st.fixed_dictionaries({name: st.none() | SECONDS for name in NAMES})
FULL = st.fixed_dictionaries(dict.fromkeys(NAMES, SECONDS))


@given(first=PARTIAL, second=PARTIAL, full=FULL)
def test_the_nearest_that_is_named_counts(
    first: dict[str, float | None], second: dict[str, float | None], full: dict[str, float]
) -> None:
    """Of several layers each limit is that of the first which names it, in whatever order they are put together."""
    near, far, base = PartialTimeouts(**first), PartialTimeouts(**second), Timeouts(**full)
    expected = {name: next(one for one in (first[name], second[name], full[name]) if one is not None) for name in NAMES}
    assert msgspec.structs.asdict(near.over(far.over(base))) == expected
    assert near.or_else(far).over(base) == near.over(far.over(base))
