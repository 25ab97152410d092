"""What can be said of virtual models and rules, and what cannot."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from narthex.config.routing_settings import RuleSettings, VirtualSettings


def test_a_plain_name_is_a_member() -> None:
    """A member of which there is nothing more to say is a name alone."""
    virtual = VirtualSettings.model_validate({"members": ["a/m", {"model": "b/m", "weight": 3}]})
    assert [(one.model, one.weight) for one in virtual.members] == [("a/m", 1.0), ("b/m", 3.0)]


def test_unknown_words_are_refused() -> None:
    """A misspelt option is an error, not an option without effect."""
    with pytest.raises(ValidationError, match="opreations"):
        RuleSettings.model_validate({"name": "night", "model": "a/m", "when": {"opreations": ["chat"]}})
