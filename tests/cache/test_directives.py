"""What requests say about the cache."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.cache.directives import MAX_TTL_S, NOTHING, Directives, UnreadableDirective, prompt_tags, read


def test_without_a_word_nothing_is_said() -> None:
    """Both headers are left out: the usual holds."""
    assert read(None, None) == NOTHING


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("on", Directives(asked=True, said=True)),
        ("off", Directives(look=False, store=False, said=True)),
        ("refresh", Directives(asked=True, look=False, said=True)),
        ("only", Directives(asked=True, store=False, only=True, said=True)),
        (" on ; ttl=1.5 ", Directives(asked=True, said=True, ttl_s=1.5)),
        ("on; prompt=reply@3; tags=a", Directives(asked=True, said=True, tags=("a", "prompt:reply@3"))),
        ("on; prompt=a/b", Directives(asked=True, said=True, tags=("prompt:a/b",))),
        ('on; tags="a b, c"; shared_by=key', Directives(asked=True, said=True, tags=("a", "b", "c"), shared_by="key")),
        ("on;namespace=v2;pace=original", Directives(asked=True, said=True, namespace="v2", original_pace=True)),
        ("on; pace=none", Directives(asked=True, said=True)),
    ],
)
def test_our_own_header(text: str, said: Directives) -> None:
    """A word, and parameters behind it."""
    assert read(text.encode(), None) == said


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", "must begin with one of on, off, refresh, only"),
        ("yes", "must begin"),
        ("on, off", "is no parameter"),
        ("on; ttl", "is no parameter"),
        ("on; ttl=-1", "from 0 to 3456000"),
        ("on; ttl=nan", "from 0 to"),
        ("on; ttl=1e99", "from 0 to"),
        ("on; tags=\xe4", "letters, digits"),
        ("on; tags=" + "x" * 65, "at most 64"),
        ("on; prompt=a@", "a name and a version"),
        ("on; prompt=a*", "a name and a version"),
        (f'on; tags="{" ".join(map(str, range(17)))}"', "up to 16"),
        ("on; shared_by=all", "workspace, key, user"),
        ('on; namespace=""', "a word of at most 64"),
        ("on; pace=slow", "none, original"),
        ("on; size=1", "there is no parameter 'size'"),
    ],
)
def test_what_our_own_header_cannot_say_is_an_error(text: str, remedy: str) -> None:
    """The message says what it may be."""
    with pytest.raises(UnreadableDirective, match=remedy):
        read(text.encode("latin-1"), None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no-cache", Directives(look=False)),
        ("No-Store", Directives(look=False, store=False, said=True)),
        ("max-age=0", Directives(max_age_s=0)),
        ('private, max-age="60"', Directives(max_age_s=60)),
        ("max-stale", Directives(max_stale_s=MAX_TTL_S)),
        ("max-stale=5, min-fresh=3", Directives(max_stale_s=5, min_fresh_s=3)),
        ("only-if-cached", Directives(only=True)),
        ("max-age=x, foo, =, ,", NOTHING),
    ],
)
def test_the_standard_header(text: str, said: Directives) -> None:
    """As RFC 9111 has it; what is not known is passed over."""
    assert read(None, text.encode()) == said


def test_what_is_stricter_holds() -> None:
    """Neither header takes back what the other forbids."""
    assert read(b"on", b"no-store") == Directives(asked=True, look=False, store=False, said=True)
    assert not read(b"refresh", b"max-age=5").look


def test_what_is_said_twice_is_what_was_said_first() -> None:
    """As RFC 9111 would have it where they differ."""
    assert read(None, b"max-age=0, max-age=100").max_age_s == 0
    assert read(None, b" max-age =7,max-stale").max_age_s == 7


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_header_breaks_the_reader(own: bytes, control: bytes) -> None:
    """Whatever is sent is understood, passed over, or refused with a reason."""
    with suppress(UnreadableDirective):
        assert isinstance(read(own, control), Directives)
    assert isinstance(read(None, control), Directives)


def test_semantic() -> None:
    """Another question's answer will do, unless it is said that it will not."""
    assert read(b"on", None).semantic
    assert read(b"on; semantic=on", None).semantic
    assert not read(b"on; semantic=off", None).semantic
    with pytest.raises(UnreadableDirective, match="`semantic` is one of on, off"):
        read(b"on; semantic=maybe", None)


def test_prompts_are_named_with_or_without_their_version() -> None:
    """Without it all of them are meant, and those of which nobody said one."""
    assert prompt_tags(["a@3", "b", "c@*"]) == ("prompt:a@3", "prompt:b", "prompt:b@*", "prompt:c@*")
