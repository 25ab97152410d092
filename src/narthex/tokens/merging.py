"""Byte pair encoding of one piece of text."""

from __future__ import annotations

import heapq
from collections.abc import Mapping


def count_pieces(piece: bytes, ranks: Mapping[bytes, int]) -> int:
    """Return the number of tokens that `piece` is merged into.

    The pair with the lowest rank is merged first, the leftmost among equals, until no pair is a token. A heap of
    candidates keeps this at `n log n`: merging by repeated search takes seconds for a few thousand characters
    without a space, which anyone may send.
    """
    if piece in ranks:
        return 1
    following = list(range(1, len(piece) + 1))
    before = list(range(-1, len(piece) - 1))
    candidates = [
        (rank, start, start + 2)
        for start in range(len(piece) - 1)
        if (rank := ranks.get(piece[start : start + 2])) is not None
    ]
    heapq.heapify(candidates)
    tokens = len(piece)
    while candidates:
        _, start, end = heapq.heappop(candidates)
        middle = following[start]
        if middle < 0 or middle >= len(piece) or following[middle] != end:
            continue
        tokens -= 1
        following[start], following[middle] = end, -1
        if end < len(piece):
            before[end] = start
        for left in (before[start], start):
            _offer(candidates, piece, ranks, following, left)
    return tokens


def _offer(
    candidates: list[tuple[int, int, int]],
    piece: bytes,
    ranks: Mapping[bytes, int],
    following: list[int],
    left: int,
) -> None:
    """Add the pair that begins at `left`, if it is a token."""
    if left < 0 or following[left] >= len(piece):
        return
    end = following[following[left]]
    rank = ranks.get(piece[left:end])
    if rank is not None:
        heapq.heappush(candidates, (rank, left, end))
