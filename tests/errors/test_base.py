"""What every error can do: be let go of."""

from __future__ import annotations

import pytest

from narthex import errors


def test_an_error_that_was_dealt_with_lets_go_of_its_frames() -> None:
    """Neither it nor what caused it keeps what was going on where it was raised; what they say stays."""

    def fail() -> None:
        try:
            raise OSError("no route")
        except OSError as error:
            raise errors.ProviderUnreachable(
                "cannot be reached", provider="up", failure=errors.Failure.CONNECT
            ) from error

    with pytest.raises(errors.ProviderUnreachable) as raised:
        fail()
    error = raised.value
    links = [error, error.__cause__]
    assert [getattr(link, "__traceback__", None) is None for link in links] == [False, False]
    assert errors.without_frames(error) is error
    assert [getattr(link, "__traceback__", None) is None for link in links] == [True, True]
    assert (str(error), str(error.__cause__)) == ("cannot be reached", "no route")
