"""Questions."""

from __future__ import annotations

from tests.cache.semantic.asking import ask


def test_a_question_is_embedded_as_a_copy() -> None:
    """Its text is read once, when first it is looked at."""
    question = ask("How do I reset my router?")
    assert question.marks is question.marks
    other = question.embedded(None, "x")
    assert (other.vector, other.namespace, other.scope) == (None, "x", question.scope)
    assert question.vector is not None
