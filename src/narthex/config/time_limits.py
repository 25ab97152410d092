"""Limits of time that can never be reached, because another one ends the call before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from narthex.config.origins import KeyPath
from narthex.config.settings import Settings, TimeoutOverrides, TimeoutSettings

_BOUNDS: Final = (
    ("headers_s", "first_token_s"),
    ("connect_s", "total_s"),
    ("first_token_s", "total_s"),
    ("idle_s", "total_s"),
)
"""Each limit, and the one that it must not exceed."""

Given = Mapping[str, float]
"""Limits in seconds by their names."""


def too_long(settings: Settings) -> Iterator[tuple[KeyPath, str, tuple[KeyPath, ...]]]:
    """Yield each limit that somebody set and that cannot hold: its place, why, and what else that rests on.

    A limit that is inherited, or a default, simply ends with the shorter one: who sets `total_s` need not set others.
    """
    general = _given(settings.timeouts, with_defaults=True)
    yield from _of(("timeouts",), _given(settings.timeouts), general)
    of_providers: dict[str, Given] = {}
    for name, provider in settings.providers.items():
        given = _given(provider.timeouts)
        of_providers[name] = {**general, **given}
        yield from _of(("providers", name, "timeouts"), given, of_providers[name])
    for name, model in settings.models.items():
        given = _given(model.timeouts)
        provider_name, slash, _ = name.partition("/")
        # The members of a virtual model have limits of their own.
        below = of_providers.get(provider_name, general) if slash else {}
        yield from _of(("models", name, "timeouts"), given, {**below, **given})


def _given(timeouts: TimeoutSettings | TimeoutOverrides, *, with_defaults: bool = False) -> Given:
    return {name: value for name, value in timeouts.model_dump(exclude_unset=not with_defaults).items() if value}


def _of(path: KeyPath, given: Given, in_force: Given) -> Iterator[tuple[KeyPath, str, tuple[KeyPath, ...]]]:
    for name, bound in _BOUNDS:
        if name in given and given[name] > in_force.get(bound, given[name]):
            message = f"longer than `{bound}`, {in_force[bound]:g} s, which is over first; raise that, or lower this"
            yield (*path, name), message, ((*path, bound), ("timeouts", bound))
