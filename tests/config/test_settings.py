"""The declared options."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from narthex.config.settings import KeySettings, ProviderSettings, ServerSettings, Settings


def test_the_defaults_are_valid() -> None:
    """Every default satisfies its own rules."""
    assert Settings() == Settings.model_validate({})


def test_settings_do_not_change() -> None:
    """What was built once stays as it is."""
    with pytest.raises(ValidationError):
        Settings().server.port = 1  # type: ignore[misc]  # that it is refused is the point


def test_unknown_keys_are_refused() -> None:
    """A typing error is never ignored."""
    with pytest.raises(ValidationError):
        ServerSettings.model_validate({"prot": 1})


def test_all_keys_of_a_provider_in_order() -> None:
    """The single key comes before those of the list; empty ones are none."""
    provider = ProviderSettings.model_validate({"api_key": "one", "api_keys": ["two", "", "three"]})
    assert [key.get_secret_value() for key in provider.all_keys] == ["one", "two", "three"]
    assert ProviderSettings.model_validate({"api_key": ""}).all_keys == ()
    assert "two" not in repr(provider)


@pytest.mark.parametrize("name", ["", "-a", "a b", "a/b", "é", "x" * 65])
def test_names_that_cannot_be_used(name: str) -> None:
    """Names stand in model names, logs and variables, so they are plain."""
    with pytest.raises(ValidationError):
        Settings(providers={name: ProviderSettings()})


def test_secrets_do_not_show() -> None:
    """Neither the value nor an error about it can be printed by accident."""
    key = KeySettings.model_validate({"name": "a", "key": "hush-hush"})
    assert "hush" not in repr(key)
    with pytest.raises(ValidationError) as caught:
        KeySettings.model_validate({"name": "a b", "key": "hush-hush"})
    assert "hush" not in str(caught.value)
