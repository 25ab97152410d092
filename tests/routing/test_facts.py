"""Facts about a call: found out once and only if asked; tags read from a header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import InvalidRequest
from narthex.routing.facts import MAX_TAG_CHARACTERS, MAX_TAGS, Facts, Modality, read_tags, why_no_tag


class Counted:
    """Counts how often each fact is found out."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def tokens(self) -> int:
        """Find out the tokens."""
        self.asked.append("tokens")
        return 0

    def tools(self) -> bool:
        """Find out whether there are tools."""
        self.asked.append("tools")
        return False

    def key(self) -> str:
        """Find out the key."""
        self.asked.append("key")
        return ""


def test_costly_facts_are_found_out_once() -> None:
    """Nothing is found out before it is asked, and nothing twice, also where the answer is empty."""
    counted = Counted()
    facts = Facts("fast", input_tokens=counted.tokens, tools=counted.tools, key=counted.key)
    assert counted.asked == []
    for _ in range(2):
        assert (facts.input_tokens(), facts.tools(), facts.key()) == (0, False, "")
    assert counted.asked == ["tokens", "tools", "key"]


def test_modalities_are_found_out_once() -> None:
    """What a call carries beside text is looked up once."""
    images: frozenset[Modality] = frozenset({"image"})
    found = iter([images])
    facts = Facts("fast", modalities=lambda: next(found))
    assert facts.modalities() == facts.modalities() == {"image"}


def test_a_call_of_which_nothing_is_known_is_plain() -> None:
    """Without more, a call is a chat in text, without tags, tools or a conversation."""
    facts = Facts("")
    assert (facts.operation, facts.tags, facts.modalities(), facts.tools()) == ("chat", frozenset(), frozenset(), False)
    assert (facts.input_tokens(), facts.key(), facts.caller, facts.tenant, facts.streaming) == (0, "", "", "", False)


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        (None, set()),
        (b"", set()),
        (b" , ,", set()),
        (b"batch", {"batch"}),
        (b" batch ,night shift,batch,", {"batch", "night shift"}),
    ],
)
def test_tags_are_read(header: bytes | None, tags: set[str]) -> None:
    """Tags stand between commas; space around them and empty ones do not count."""
    assert read_tags(header) == tags


@given(st.binary())
def test_any_header_is_read_or_refused(header: bytes) -> None:
    """Whatever bytes come, there are tags that could be sent, or a refusal that names the header."""
    refused: str | None = None
    tags: frozenset[str] = frozenset()
    try:
        tags = read_tags(header)
    except InvalidRequest as error:
        refused = error.param
    assert refused in {None, "x-narthex-tags"}
    assert all(not why_no_tag(tag) for tag in tags)


def test_too_much_is_refused() -> None:
    """More tags or longer ones than the limits are refused; at the limits they are read."""
    assert len(read_tags(",".join(f"t{number}" for number in range(MAX_TAGS)).encode())) == MAX_TAGS
    with pytest.raises(InvalidRequest, match=f"at most {MAX_TAGS}"):
        read_tags(",".join(f"t{number}" for number in range(MAX_TAGS + 1)).encode())
    assert read_tags(b"x" * MAX_TAG_CHARACTERS) == {"x" * MAX_TAG_CHARACTERS}
    with pytest.raises(InvalidRequest, match=f"longer than {MAX_TAG_CHARACTERS}"):
        read_tags(b"x" * (MAX_TAG_CHARACTERS + 1))


@pytest.mark.parametrize("tag", ["", "a,b", " a", "a\n", "ä"])
def test_what_a_header_cannot_carry_is_no_tag(tag: str) -> None:
    """A rule about such a tag would never be about a call."""
    assert "no tag" in why_no_tag(tag)
