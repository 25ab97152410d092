"""What the readers of bodies share."""

from __future__ import annotations

import pytest

from narthex.errors import InvalidRequest
from narthex.wire.openai_responses.bodies import given, untranslatable


def test_what_must_be_there_is_named_when_it_is_not() -> None:
    """The field is both in the message and the parameter."""
    assert given(0, "a.b") == 0
    with pytest.raises(InvalidRequest) as caught:
        given(None, "a.b")
    assert caught.value.param == "a.b"
    assert "a.b" in caught.value.message


def test_what_cannot_be_translated_says_what_to_do() -> None:
    """The remedy stands in the message."""
    error = untranslatable("a tool", "tools.0", "use functions")
    assert (error.message, error.param) == ("tools.0: a tool cannot be translated; use functions", "tools.0")
