"""How a kept stream is begun, and let go of, without I/O."""

from __future__ import annotations

import pytest

from narthex.client.following import Following
from narthex.client.http1 import Head
from narthex.client.kept import KeptAnswer, dialect_of, kept_chat
from narthex.client.reports import StreamReport
from narthex.errors import BrokenAnswer, InvalidRequest
from narthex.types.dialects import Dialect


class Connected:
    """An answer of which the head is there."""

    def __init__(self, content_type: str = "text/event-stream") -> None:
        self.head = Head(200, {"content-type": content_type})
        self.closed = False

    def close(self) -> None:
        """Take note."""
        self.closed = True


class Kept(KeptAnswer[Connected]):
    """A kept answer, as its controllers have it."""

    def take(self, answer: Connected) -> None:
        """Read from it."""
        self._take(answer)


@pytest.mark.parametrize(
    "name", ["", "short", "a" * 65, "stream-1\r\nx-more: 1", "../../api/x", "stream 01", "str\u00e9am-01"]
)
def test_a_name_that_can_be_none_is_refused(name: str) -> None:
    """Before it is sent: none adds a header, or leads to another route."""
    with pytest.raises(InvalidRequest, match="8 to 64"):
        kept_chat("Hello", model=None, name=name, on_disconnect="detach")


def test_a_name_is_chosen_or_made() -> None:
    """It is a header of the call."""
    request, name = kept_chat("Hello", model=None, name=None, on_disconnect="cancel")
    assert request.headers == {"x-narthex-stream-id": name, "x-narthex-on-disconnect": "cancel"}
    assert kept_chat("Hello", model=None, name="chosen_01", on_disconnect="detach")[1] == "chosen_01"


def test_what_is_no_stream_is_not_held_open() -> None:
    """Its connection is closed with the error."""
    kept, whole, stream = Kept(Following("s", None), None), Connected("application/json"), Connected()
    with pytest.raises(BrokenAnswer, match="no stream"):
        kept.take(whole)
    assert whole.closed
    kept.take(stream)
    assert (kept.id, kept.last_seq, stream.closed) == ("s", 0, False)
    kept.close()
    assert stream.closed


def test_a_dialect_is_known_or_not() -> None:
    """In unknown words there are bytes."""
    assert dialect_of(StreamReport(id="x", status="done", dialect="openai.chat")) is Dialect.OPENAI_CHAT
    with pytest.raises(BrokenAnswer, match="frames"):
        dialect_of(StreamReport(id="x", status="done", dialect="morse"))
