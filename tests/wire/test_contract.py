"""The errors that translators raise carry what the caller needs."""

from __future__ import annotations

from narthex.wire.contract import BrokenStream, StreamFailed


def test_a_failure_inside_a_stream_keeps_what_came_before() -> None:
    """The provider's words, its code and the frames before them can all be passed on."""
    failure = StreamFailed("overloaded", code="overloaded_error", kind="server_error", frames=b"data: {}\n\n")
    assert isinstance(failure, BrokenStream)
    assert str(failure) == "overloaded"
    assert (failure.code, failure.kind, failure.frames) == ("overloaded_error", "server_error", b"data: {}\n\n")
