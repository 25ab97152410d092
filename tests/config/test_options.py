"""The options as data."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from narthex.config.options import annotation_at, homes_of, is_secret, names_at, option_at, options
from narthex.config.origins import KeyPath
from narthex.config.settings import ProviderSettings


def test_every_option_is_described() -> None:
    """An option without help does not exist."""
    undescribed = [option.name for option in options() if not option.description.rstrip("`").endswith((".", '"'))]
    assert undescribed == []


def test_options_of_named_and_listed_sections_are_there() -> None:
    """Sections under names and in lists are followed, each option once."""
    names = [option.name for option in options()]
    assert {"server.port", "keys.#.key", "providers.*.timeouts.connect_s", "aliases"} <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("path", "annotation"),
    [
        (("server", "port"), int),
        (("server", "tls_cert"), Path),
        (("providers", "x"), ProviderSettings),
        (("providers", "x", "api_key"), SecretStr),
        (("providers", "x", "headers", "a"), str),
        (("providers", "x", "script", "a", "b"), object),
        (("keys", 0, "key"), SecretStr),
        (("keys", "ci"), None),
        (("server", "prot"), None),
        (("server", "port", "x"), None),
        (("providers", 0), None),
    ],
)
def test_the_type_at_a_path(path: KeyPath, annotation: object) -> None:
    """A path leads to the type declared there, or to nothing."""
    assert annotation_at(path) is annotation


def test_secrets_are_known_wherever_they_stand() -> None:
    """Keys and header values are secret; names and addresses are not."""
    assert is_secret(("keys", 3, "key"))
    assert is_secret(("providers", "x", "api_key"))
    assert is_secret(("providers", "x", "api_keys"))
    assert is_secret(("providers", "x", "api_keys", 1))
    assert is_secret(("providers", "x", "headers", "authorization"))
    assert not is_secret(("providers", "x", "base_url"))
    assert not is_secret(("nothing", "here"))


def test_an_option_knows_its_variable_and_default() -> None:
    """Names of the environment follow from the path; lists of sections have one for the whole."""
    port, key, name = option_at(("server", "port")), option_at(("keys", 0, "key")), option_at(("aliases", "fast"))
    assert port is not None
    assert key is not None
    assert name is not None
    assert (port.environment_name, port.default) == ("NARTHEX_SERVER__PORT", 8484)
    assert (key.environment_name, key.is_required, key.default) == (None, True, None)
    assert name.name == "aliases"


def test_names_and_homes() -> None:
    """What may stand below a path, and where a stray key belongs."""
    assert "port" in names_at(("server",))
    assert names_at(("aliases",)) == ()
    assert homes_of("port") == ("server.port",)
