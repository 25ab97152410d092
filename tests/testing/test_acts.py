"""Answers made of acts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from narthex.testing.acts import (
    Answer,
    Close,
    EndSending,
    Reset,
    Send,
    Stall,
    Wait,
    cut,
    cut_after,
    delayed,
    head,
    hung_up,
    silent,
    slow_headers,
    split,
    streamed,
    then,
    whole,
)


def _bytes(answer: Answer) -> bytes:
    return b"".join(act.data for act in answer if isinstance(act, Send))


def test_whole_answers_have_their_length() -> None:
    """A body comes with its type and length, and further headers."""
    sent = _bytes(whole(b"{}", status=529, headers={"retry-after": "2"}))
    assert sent.startswith(b"HTTP/1.1 529 Unknown\r\n")
    assert b"content-length: 2\r\n" in sent
    assert b"retry-after: 2\r\n" in sent
    assert sent.endswith(b"\r\n\r\n{}")


def test_streams_are_chunked() -> None:
    """Each piece is a chunk of its own; a stream without end lacks the last chunk."""
    assert _bytes(streamed([b"ab", b"c"])).endswith(b"\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
    assert _bytes(streamed([b"ab"], ended=False)).endswith(b"2\r\nab\r\n")
    assert [act for act in streamed([b"a", b"b"], delay_s=0.5) if isinstance(act, Wait)] == [Wait(0.5), Wait(0.5)]


def test_silence_and_hanging_up() -> None:
    """Nothing at all, or nothing and the end."""
    assert silent() == (Stall(),)
    assert hung_up() == (Close(),)
    assert delayed(hung_up(), 2) == (Wait(2), Close())
    assert then(hung_up(), Reset())[-1] == Reset()


@given(st.integers(0, 200))
def test_cut_answers_are_beginnings(after_bytes: int) -> None:
    """Cut at any byte, what is sent is the beginning, and then the connection ends."""
    answer = streamed([b"hello", b"world"])
    short = cut(answer, after_bytes=after_bytes)
    assert _bytes(short) == _bytes(answer)[:after_bytes]
    assert short[-1] == Close()
    assert cut(answer, after_bytes=1, by=EndSending())[-1] == EndSending()


def test_cut_after_so_many_pieces() -> None:
    """Pieces are counted with the head as the first."""
    answer = streamed([b"one", b"two"])
    assert _bytes(cut_after(answer, sends=2)).endswith(b"3\r\none\r\n")
    assert cut_after(answer, sends=0, by=Reset()) == (Reset(),)


@given(st.integers(1, 50))
def test_split_answers_lose_nothing(bytes_each: int) -> None:
    """The same bytes come in pieces of the size asked at most."""
    answer = whole("größer".encode())
    pieces = split(answer, bytes_each=bytes_each)
    assert _bytes(pieces) == _bytes(answer)
    assert all(len(act.data) <= bytes_each for act in pieces if isinstance(act, Send))
    assert split((Stall(),)) == (Stall(),)


@given(st.integers(1, 40))
def test_slow_headers_lose_nothing(pieces: int) -> None:
    """The head is spread over the time, the body follows at once."""
    answer = whole(b"body")
    slow = slow_headers(answer, seconds=2, pieces=pieces)
    assert _bytes(slow) == _bytes(answer)
    assert sum(act.seconds for act in slow if isinstance(act, Wait)) <= 2.000001
    assert slow[-1] == Send(b"body")
    assert slow_headers(silent(), seconds=1) == silent()


def test_heads_are_heads() -> None:
    """A status line, the headers, a blank line."""
    assert head(204, {"a": "b"}) == b"HTTP/1.1 204 No Content\r\na: b\r\n\r\n"
