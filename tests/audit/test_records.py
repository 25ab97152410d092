"""A row is hashed in a form that everybody can make again."""

from __future__ import annotations

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from narthex.audit.records import START, Entry, canonical, hash_of

_KEYS = st.text(st.characters(max_codepoint=127, exclude_characters="\0"), max_size=10)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=5))
def test_the_form_is_the_canonical_one(value: dict[str, object]) -> None:
    """Sorted names, no spaces, nothing escaped that need not be: RFC 8785 as Python's own library writes it."""
    plain = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert canonical(value) == plain.encode()


def test_the_hash_is_what_the_documentation_says() -> None:
    """Context, hash of the row before, and the row in canonical form."""
    entry = Entry(
        seq=1,
        at=2,
        actor="usr_ada",
        action="key.create",
        target="key_1",
        organisation_id="org_a",
        workspace_id="ws_a",
        outcome="ok",
        address="",
        request_id="",
        details={"b": 1, "a": "ü"},
    )
    text = (
        '{"action":"key.create","actor":"usr_ada","address":"","at":2,"details":{"a":"ü","b":1},'
        '"organisation_id":"org_a","outcome":"ok","request_id":"","seq":1,"target":"key_1","workspace_id":"ws_a"}'
    )
    assert hash_of(START, entry) == hashlib.sha256(b"narthex.audit.v1" + bytes(32) + text.encode()).digest()
