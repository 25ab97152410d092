"""Merging one piece gives the tokens that repeated search would give."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from narthex.tokens.merging import count_pieces

RANKS = {
    token: rank
    for rank, token in enumerate(
        [b"a", b"b", b"c", b"ab", b"bc", b"aa", b"abc", b"aab", b"cc", b"aaaa", b"bcab", b"abab", b"ca", b"cab"]
    )
}


def _by_repeated_search(piece: bytes) -> int:
    """The definition: merge the leftmost pair of lowest rank until none is left."""
    if piece in RANKS:
        return 1
    parts = [piece[at : at + 1] for at in range(len(piece))]
    while True:
        pairs = [(RANKS[a + b], at) for at, (a, b) in enumerate(pairwise(parts)) if a + b in RANKS]
        if not pairs:
            return len(parts)
        _, at = min(pairs)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]


@given(st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), min_size=1, max_size=40).map(b"".join))
def test_merges_as_defined(piece: bytes) -> None:
    """The heap is only faster: the number of tokens is that of the definition."""
    assert count_pieces(piece, RANKS) == _by_repeated_search(piece)


def test_a_piece_that_is_a_token_is_one() -> None:
    """A piece in the vocabulary is never split."""
    assert count_pieces(b"bcab", RANKS) == 1


def test_unknown_bytes_stay_apart() -> None:
    """Bytes that form no pair are a token each."""
    assert count_pieces(b"xyz", RANKS) == 3
