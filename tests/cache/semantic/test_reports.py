"""What is told of the semantic cache is made by `SameMeaning`; here only that it can be written."""

from __future__ import annotations

import msgspec

from narthex.cache.semantic.reports import CategoryReport, SemanticReport


def test_they_are_documents() -> None:
    """Every field is there, in JSON."""
    row = CategoryReport(
        category="fact", looks=1, hits=0, closed=False, least_probability=None, samples=None, wrong=0, highest_error=1.0
    )
    told = SemanticReport(
        embedding_model="up/e",
        embedding_off=False,
        error_bound=0.02,
        questions=None,
        bytes=None,
        waiting_for_judge=0,
        categories=[row],
    )
    assert msgspec.json.decode(msgspec.json.encode(told), type=SemanticReport) == told
