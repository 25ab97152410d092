"""Policies of eviction, by the names that settings know them by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from narthex.cache.eviction.contract import Item, Policy
from narthex.cache.eviction.lfu import Lfu
from narthex.cache.eviction.lru import Lru
from narthex.cache.eviction.s3_fifo import S3Fifo
from narthex.cache.eviction.sieve import Sieve
from narthex.cache.eviction.ttl import Ttl

__all__ = ["POLICIES", "Item", "Policy"]

POLICIES: Final[Mapping[str, Callable[[int], Policy]]] = MappingProxyType(
    {"s3-fifo": S3Fifo, "sieve": Sieve, "lru": Lru, "lfu": Lfu, "ttl": Ttl}
)
