"""When the settings of providers change: what is known of their keys goes on, and their calls run to the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from narthex.providers.contract import Provider
from narthex.providers.remote import RemoteProvider


def hand_keys_over(before: Iterable[Provider], after: Iterable[Provider]) -> None:
    """Have the keys of new providers stand as they do with the old ones of the same name and address.

    A key is known by itself, in whatever place it stood.
    """
    known = {one.name: one for one in before if isinstance(one, RemoteProvider)}
    for provider in after:
        old = known.get(provider.name)
        if old is None or old is provider or not isinstance(provider, RemoteProvider):
            continue
        if provider.base_url == old.base_url and provider.books is not None and old.books is not None:
            provider.books.take_over(old.books)


async def close_unused(provider: Provider, *, longest_s: float) -> None:
    """Close a provider that is configured no longer, without a cut for the calls that it still answers.

    Args:
        provider: Whatever is cancelled here is closed at once.
        longest_s: The longest time that any call may take, for providers that cannot tell when their last one ends.
    """
    try:
        if isinstance(provider, RemoteProvider):
            await provider.drain()
        else:
            await asyncio.sleep(longest_s)
    finally:
        await provider.aclose()
