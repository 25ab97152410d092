"""Which coding a client takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.compression.negotiation import choose, refuses_plain

OFFERED = ("zstd", "br", "gzip")


@pytest.mark.parametrize(
    ("field", "chosen"),
    [
        ("br", "br"),
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, br;q=0.0", "gzip"),
        ("gzip;q=0.9, zstd;q=0.5", "gzip"),
        ("*", "zstd"),
        ("zstd;q=0, *;q=0.5", "br"),
        ("*;q=0", None),
        ("identity", None),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip", "gzip"),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("identity;q=0", None),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip; q=0.5; level=9", "gzip"),
        ("br; q=nonsense", None),
        ("br; q=7", None),
        ("br; q=nan", None),
        ("deflate", None),
        ("", None),
        (",, ,gzip", "gzip"),
    ],
)
def test_the_field_chooses(field: str, chosen: str | None) -> None:
    """What weighs most is taken, the first that is offered of what weighs the same, and nothing that is refused."""
    assert choose(field, OFFERED) == chosen


@pytest.mark.parametrize(
    ("field", "refused"),
    [
        ("identity;q=0", True),
        ("*;q=0", True),
        ("*;q=0, identity", False),
        ("gzip", False),
        ("", False),
        ("*;q=0.5", False),
    ],
)
def test_no_coding_is_taken_unless_it_is_refused(field: str, refused: bool) -> None:
    """Only `identity;q=0`, or a `*;q=0` that means it too, refuses what has no coding."""
    assert refuses_plain(field) is refused


@given(st.text())
def test_any_field_chooses_something_that_is_offered(field: str) -> None:
    """No `Accept-Encoding`, however broken, is answered with a failure."""
    assert choose(field, OFFERED) in {*OFFERED, None}
    assert choose(field, ()) is None
    assert choose(f"identity, *, {field}", ()) is None
    assert refuses_plain(field) in {True, False}
