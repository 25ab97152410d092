"""Exported workspaces: their form, and what is sealed in them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narthex.errors import Conflict, InvalidRequest
from narthex.tenancy.documents import FORMAT, in_order, read_document, seal, unseal

PHRASE = "correct horse battery"


def document(*workspaces: dict[str, object], **more: object) -> dict[str, object]:
    """Return a document as it is sent."""
    return {"format": FORMAT, "version": 1, "workspaces": list(workspaces), **more}


def named(slug: str, template: str | None = None) -> dict[str, object]:
    """Return a workspace of a document."""
    return {"slug": slug, "name": slug, "template": template}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (document(version=2), "reads up to 1"),
        (document(named("a", "b"), named("b", "c"), named("c", "a")), "templates of each other: a → b → c → a"),
        (document(named("a", "a")), "a → a"),
        (document(named("a"), named("a")), "one slug"),
        (document(named("a", "b")), "not in the document"),
        (document({**named("a"), "settings": {"currency": "EUR"}}), "EUR"),
        (document({**named("a"), "colour": "red"}), "colour"),
        (document(format="other"), "other"),
        ([], "no document"),
    ],
)
def test_what_cannot_be_imported_is_told(value: object, words: str) -> None:
    """Before anything is done."""
    with pytest.raises((InvalidRequest, Conflict), match=words):
        read_document(value)


@given(st.permutations(["a", "b", "c", "d"]))
def test_templates_come_before_what_is_made_of_them(order: list[str]) -> None:
    """In whatever order they stand."""
    made_of = {"a": None, "b": "a", "c": "b", "d": "a"}
    parts = read_document(document(*(named(slug, made_of[slug]) for slug in order))).workspaces
    slugs = [part.slug for part in in_order(parts)]
    assert sorted(slugs) == ["a", "b", "c", "d"]
    assert all(above is None or slugs.index(above) < slugs.index(slug) for slug, above in made_of.items())


@settings(max_examples=5, deadline=None)
@given(st.binary(max_size=100))
def test_what_is_sealed_opens_with_its_passphrase(secret: bytes) -> None:
    """And with no other, and not if it was changed."""
    sealed = seal(secret, PHRASE)
    assert unseal(sealed, PHRASE) == secret
    other = ("A" if sealed[-5] != "A" else "B").join((sealed[:-5], sealed[-4:]))
    for wrong, phrase in ((sealed, "another passphrase"), (other, PHRASE), ("AAAA", PHRASE), ("!", PHRASE)):
        with pytest.raises(Conflict, match="does not open"):
            unseal(wrong, phrase)


def test_a_passphrase_is_no_word() -> None:
    """It has some length."""
    with pytest.raises(InvalidRequest, match="at least 12"):
        seal(b"x", "short")
