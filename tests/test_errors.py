"""The error tree: stable codes, honest defaults, facts as fields, and the picture in the docstring is the tree."""

from __future__ import annotations

import inspect
import re

import pytest

from narthex import errors
from narthex.errors import ConfigError, Failure, InvalidRequest, NarthexError, ProviderError, ProviderLimited

CLASSES = [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, NarthexError)]


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_error_is_ready_for_the_wire(error: type[NarthexError]) -> None:
    """Each has a code for programs, a status that is an error, and a sentence for people."""
    assert re.fullmatch(r"[a-z][a-z_]*", error.code)
    assert 400 <= error.status < 600
    assert (error.__doc__ or "").partition("\n")[0].endswith((".", "`"))


def test_the_picture_is_the_tree() -> None:
    """The docstring draws every class once, below its parent, with its own status."""
    drawn = re.findall(r"^    ([│ ]*[├└]── )?(\w+Error|\w+) *(\d{3})?", errors.__doc__ or "", re.MULTILINE)
    names = [name for _, name, _ in drawn]
    assert sorted(names) == sorted(error.__name__ for error in CLASSES)
    for _, name, status in drawn:
        if status:
            assert getattr(errors, name).status == int(status), name


def test_the_first_line_of_the_docstring_is_the_default_message() -> None:
    """An error without words of its own says what its class says."""
    assert str(InvalidRequest()) == "The request is not valid."
    assert str(InvalidRequest("`n` must be 1")) == "`n` must be 1"


def test_facts_are_fields() -> None:
    """What a provider said can be read without parsing the message."""
    error = ProviderLimited(
        "slow down",
        provider="groq",
        failure=Failure.RATE_LIMITED,
        upstream_status=429,
        upstream_code="rate_limit_exceeded",
        retryable=True,
        retry_after_s=2.5,
    )
    assert isinstance(error, ProviderError)
    assert (error.provider, error.failure, error.upstream_status) == ("groq", Failure.RATE_LIMITED, 429)
    assert (error.retryable, error.retry_after_s, error.status) == (True, 2.5, 429)


def test_a_faulty_configuration_tells_every_problem() -> None:
    """All problems are kept, and the message has a line for each."""
    error = ConfigError(("narthex.toml:1:1 port: too large", "narthex.toml:2:1 hots: unknown"))
    assert len(error.problems) == 2
    assert str(error).splitlines() == list(error.problems)


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
