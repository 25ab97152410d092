"""Exit codes and complaints."""

from __future__ import annotations

import pytest

from narthex import errors
from narthex.cli.exits import Exit, complaint, exit_code_of


def every_error(kind: type[errors.NarthexError]) -> list[type[errors.NarthexError]]:
    """Return all kinds of errors below one."""
    return [kind, *(below for child in kind.__subclasses__() for below in every_error(child))]


@pytest.mark.parametrize("kind", every_error(errors.NarthexError))
def test_every_error_has_a_code_and_a_line(kind: type[errors.NarthexError]) -> None:
    """No error ends with 0, and only a configuration is told on several lines."""
    error = kind.__new__(kind)
    errors.NarthexError.__init__(error)
    error.problems = ("a", "b")  # type: ignore[attr-defined]  # only a ConfigError reads it
    assert exit_code_of(error) in set(Exit) - {Exit.OK}
    assert ("\n" in complaint(error)) == (kind is errors.ConfigError)


def test_what_is_unavailable_can_be_told_from_what_is_wrong() -> None:
    """A script may try again after 69, and need not after 1."""
    assert exit_code_of(errors.GatewayUnreachable()) == 69
    assert exit_code_of(errors.Overloaded()) == 69
    assert exit_code_of(errors.ModelNotFound()) == 1
    assert exit_code_of(errors.ConfigError(())) == 78


def test_a_request_can_be_found_in_the_log() -> None:
    """The complaint names the request, and where a key is set on the command line."""
    error = errors.AuthenticationFailed("No key.")
    error.request_id = "req_1"
    assert complaint(error) == "No key. On the command line, set NARTHEX_API_KEY. (request req_1)"
