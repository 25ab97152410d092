"""What the settings say about how answers go out."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Sequence

import pytest

from narthex.compression.contents import Coding
from narthex.http import representations
from narthex.http.representations import ASIDE_BYTES, Representations, encoded, is_textual


def by(codings: Sequence[Coding] = ("zstd", "br", "gzip"), answers_bytes: int | None = 100) -> Representations:
    """Return them with these settings."""
    made = Representations()
    made.adopt(codings=codings, threshold_bytes=100, answers_bytes=answers_bytes, rules=())
    return made


def test_what_is_small_goes_as_it_is() -> None:
    """Below the threshold nothing is encoded, unless the client takes nothing else."""
    some = by()
    assert some.coding(b"gzip", 99) is None
    assert some.coding(b"gzip", 100) == "gzip"
    assert some.coding(b"gzip, identity;q=0", 1) == "gzip"
    assert some.coding(None, 10_000) is None
    assert some.coding(b"", 10_000) is None


def test_what_is_offered_can_change() -> None:
    """After a reload the same field chooses by what is offered then."""
    some = by()
    assert some.coding(b"zstd, gzip", 1_000) == "zstd"
    some.adopt(codings=("gzip",), threshold_bytes=5_000, answers_bytes=None, rules=())
    assert some.coding(b"zstd, gzip", 1_000) is None
    assert some.coding(b"zstd, gzip", 5_000) == "gzip"


def test_fields_are_remembered_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends another field each time fills no memory."""
    monkeypatch.setattr(representations, "_MOST_REMEMBERED", 2)
    some = by()
    assert [some.coding(b"gzip;q=0.%d" % number, 1_000) for number in range(1, 6)] == ["gzip"] * 5
    assert len(some._chosen) == 2


def test_answers_of_models_need_not_be_encoded() -> None:
    """Without a threshold for them, or without codings, none is large enough."""
    assert by(answers_bytes=None).answers_bytes == float("inf")
    assert by(codings=()).answers_bytes == float("inf")
    assert by().answers_bytes == 100


async def test_an_answer_of_a_model_goes_out_as_asked() -> None:
    """Encoded for who asks, with lines that say so; not for who forbids that."""
    body, some = b'{"text":"' + b"word " * 500 + b'"}', by()
    written, lines = await some.answer(body, {b"accept-encoding": b"gzip, deflate"})
    assert gzip.decompress(written) == body
    assert lines == b"content-encoding: gzip\r\nvary: accept-encoding\r\n"
    plain = (body, b"vary: accept-encoding\r\n")
    assert await some.answer(body, {}) == plain
    assert await some.answer(body, {b"accept-encoding": b"gzip", b"cache-control": b"no-transform"}) == plain


def test_who_refuses_what_is_plain_gets_nothing_plain() -> None:
    """However small it is; who refuses everything gets it as it is."""
    some = by(answers_bytes=None)
    assert some.concern(1, {b"accept-encoding": b"identity;q=0, gzip"})
    assert not some.concern(10_000, {b"accept-encoding": b"gzip"})
    assert not some.concern(10_000, {b"accept-encoding": b"*;q=0"})
    assert not some.concern(10_000, {})
    assert by().concern(100, {})


def test_events_are_encoded_for_who_asks() -> None:
    """With lines that say so; not for who forbids it, nor where the settings do."""
    some, asked = by(), {b"accept-encoding": b"gzip, br;q=0.5"}
    made, lines = some.events(asked)
    assert made is not None
    assert lines == b"content-encoding: gzip\r\nvary: accept-encoding\r\n"
    # Of what weighs the same, the one that takes the least memory for as long as the stream lasts.
    assert some.events({b"accept-encoding": b"br, zstd, gzip"})[1] == lines
    assert some.events({b"accept-encoding": b"br, gzip;q=0.5"})[1] == lines.replace(b"gzip", b"br")
    assert some.events({}) == (None, b"")
    assert some.events({b"accept-encoding": b"identity"}) == (None, b"")
    assert some.events({**asked, b"cache-control": b"no-transform"}) == (None, b"")
    some.adopt(codings=("gzip",), threshold_bytes=1, answers_bytes=1, rules=(), encodes_events=False)
    assert some.events(asked) == (None, b"")


async def test_what_is_large_is_encoded_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop does not wait for it."""
    where: list[bool] = []

    def noted(body: bytes, coding: str, *, hasty: bool) -> bytes:
        where.append(threading.current_thread() is threading.main_thread())
        return coding.encode() + body[: int(hasty)]

    monkeypatch.setattr(representations, "encode", noted)
    assert await encoded(bytes(ASIDE_BYTES), "br") == b"br"
    assert await encoded(bytes(ASIDE_BYTES + 1), "br", hasty=True) == b"br\0"
    assert where == [True, False]


@pytest.mark.parametrize(
    ("media_type", "textual"),
    [
        ("application/json", True),
        ("text/csv; charset=utf-8", True),
        ("text/event-stream", False),
        ("text/event-stream; charset=utf-8", False),
        ("application/zip", False),
        ("image/png", False),
        ("", False),
    ],
)
def test_text_is_told_apart(media_type: str, textual: bool) -> None:
    """What does not get smaller, and what must not wait, is left alone."""
    assert is_textual(media_type) is textual
