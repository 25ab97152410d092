"""Providers found without being configured."""

from __future__ import annotations

import pytest

from narthex.config.discovery import discover, ollama_address, ollama_candidate, survey
from narthex.config.settings import DiscoverySettings, ProviderSettings, ServerSettings, Settings
from narthex.types.vendors import VENDORS


def key_of(provider: ProviderSettings) -> str | None:
    """Return a provider's key in plain text."""
    return provider.api_key.get_secret_value() if provider.api_key else None


@pytest.mark.parametrize("name", [name for name, vendor in VENDORS.items() if vendor.key_variable])
def test_a_key_in_the_environment_is_a_provider(name: str) -> None:
    """Every vendor with a key variable is found by it, and only that vendor."""
    vendor = VENDORS[name]
    found = discover({str(vendor.key_variable): " sk-1 "}, Settings())
    assert list(found) == [name]
    assert (found[name].kind, found[name].base_url, key_of(found[name])) == (vendor.kind, vendor.base_url, "sk-1")


def test_nothing_is_found_in_nothing() -> None:
    """Empty keys are none, and discovery can be switched off."""
    off = Settings(discovery=DiscoverySettings(environment=False))
    assert discover({"OPENAI_API_KEY": " "}, Settings()) == {}
    assert discover({"OPENAI_API_KEY": "sk-1"}, off) == {}


def test_a_configured_name_is_left_alone() -> None:
    """What the configuration says of a vendor is not replaced by what the environment says."""
    settings = Settings(providers={"openai": ProviderSettings(base_url="http://127.0.0.1:9/v1")})
    assert discover({"OPENAI_API_KEY": "sk-1"}, settings) == {}


def test_the_other_address_of_an_sdk_counts() -> None:
    """OPENAI_BASE_URL is taken as it is; ANTHROPIC_BASE_URL gets the version that its SDK appends."""
    found = discover({"OPENAI_BASE_URL": "http://a/v1/", "ANTHROPIC_BASE_URL": "http://b"}, Settings())
    assert {name: (one.base_url, key_of(one)) for name, one in found.items()} == {
        "openai": ("http://a/v1", None),
        "anthropic": ("http://b/v1", None),
    }


@pytest.mark.parametrize("address", ["http://127.0.0.1:8484/v1", "http://localhost:8484/v1", "http://[::1]:8484/v1"])
def test_an_address_that_leads_back_here_is_not_used(address: str) -> None:
    """A shell set up for clients of this server does not make it call itself, nor send its own key elsewhere."""
    found = survey({"OPENAI_BASE_URL": address, "OPENAI_API_KEY": "own-key"}, Settings())
    assert found.providers == {}
    assert found.warnings == ("OPENAI_BASE_URL: leads to this server itself; not used for openai",)


def test_another_port_of_this_machine_is_used() -> None:
    """A server of somebody else on this machine is a provider like any other."""
    settings = Settings(server=ServerSettings(port=9999))
    assert "openai" in discover({"OPENAI_BASE_URL": "http://127.0.0.1:8484/v1"}, settings)


def test_a_configured_vendor_is_filled_in() -> None:
    """A vendor configured without address and key gets its own."""
    settings = Settings(providers={"groq": ProviderSettings(models=("llama",))})
    found = survey({"GROQ_API_KEY": "gsk"}, settings)
    groq = found.providers["groq"]
    assert (groq.kind, groq.base_url, key_of(groq), groq.models) == (
        "openai", "https://api.groq.com/openai/v1", "gsk", ("llama",),
    )  # fmt: skip
    assert found.variables == {("providers", "groq", "api_key"): "GROQ_API_KEY"}


def test_no_key_goes_to_another_address() -> None:
    """A vendor's name with somebody else's address gets no key from the environment."""
    settings = Settings(providers={"openai": ProviderSettings(base_url="https://elsewhere.example/v1")})
    openai = survey({"OPENAI_API_KEY": "sk-1"}, settings).providers["openai"]
    assert (openai.kind, openai.base_url, key_of(openai)) == ("openai", "https://elsewhere.example/v1", None)


def test_a_configured_key_wins() -> None:
    """The environment does not replace a key that the configuration gives."""
    settings = Settings.model_validate({"providers": {"openai": {"api_key": "sk-own"}}})
    assert key_of(survey({"OPENAI_API_KEY": "sk-1"}, settings).providers["openai"]) == "sk-own"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("", "http://127.0.0.1:11434/v1"),
        ("127.0.0.1", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0:5050", "http://127.0.0.1:5050/v1"),
        (":5050", "http://127.0.0.1:5050/v1"),
        ("box.local:80", "http://box.local:80/v1"),
        ("http://box.local", "http://box.local:80/v1"),
        ("https://box.local/ollama/", "https://box.local:443/ollama/v1"),
        ("[::1]:5050", "http://[::1]:5050/v1"),
        ("[::]", "http://127.0.0.1:11434/v1"),
        ("box:notaport", None),
        ("unix://x", None),
    ],
)
def test_ollama_host_is_read_as_ollama_reads_it(host: str, address: str | None) -> None:
    """Each spelling of OLLAMA_HOST leads to an address that can be called."""
    assert ollama_address(host) == address


def test_the_ollama_candidate() -> None:
    """It is offered unless it is configured, switched off or this server itself."""
    candidate = ollama_candidate({}, Settings())
    assert candidate is not None
    assert (candidate.kind, candidate.base_url) == ("openai", "http://127.0.0.1:11434/v1")
    assert ollama_candidate({}, Settings(discovery=DiscoverySettings(ollama=False))) is None
    assert ollama_candidate({}, Settings(providers={"ollama": ProviderSettings()})) is None
    assert ollama_candidate({"OLLAMA_HOST": "127.0.0.1:8484"}, Settings()) is None
    assert ollama_candidate({"OLLAMA_HOST": "box:x"}, Settings()) is None
