"""Who is told of what others have changed; `test_office` shows it at work."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from narthex.tenancy.listening import Listener

if TYPE_CHECKING:
    from sqlalchemy import Connection


def test_what_is_read_is_what_is_taken() -> None:
    """Whoever reads in a thread gives it to whoever takes it on the event loop."""
    taken: list[object] = []
    listener = Listener(read=lambda _, subjects: len(subjects), take=lambda _, found: taken.append(found))
    listener.take(["a"], listener.read(cast("Connection", None), ["a", "b"]))
    assert taken == [2]
