"""Errors of ours that carry more than a message."""

from __future__ import annotations

from narthex.errors import ConfigError


def test_a_faulty_configuration_tells_every_problem() -> None:
    """All problems are kept, and the message has a line for each."""
    error = ConfigError(("narthex.toml:1:1 port: too large", "narthex.toml:2:1 hots: unknown"))
    assert len(error.problems) == 2
    assert str(error).splitlines() == list(error.problems)
