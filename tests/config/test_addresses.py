"""Addresses that are good and those that are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.config.addresses import is_loopback, why_not_base_url, why_not_origin


def test_loopback_is_recognised() -> None:
    """Every spelling of this machine counts, and nothing else."""
    assert all(map(is_loopback, ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST", "a.localhost"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.example.com", ""]))


@pytest.mark.parametrize("address", ["http://127.0.0.1:8000/v1", "https://api.example.com", "https://[::1]:1/v1/"])
def test_good_addresses(address: str) -> None:
    """Addresses with host, port and path pass."""
    assert why_not_base_url(address) is None


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("api.example.com/v1", "http"),
        ("http://", "http"),
        ("http://host:99999/v1", "not an address"),
        ("http://[::1/v1", "not an address"),
        ("http://host:0/v1", "http"),
        ("http://a b/v1", "http"),
        ("https://user@host/v1", "user"),
        ("https://host/v1?a=b", "?"),
        ("https://host/v1#a", "#"),
        ("https://host/v1/messages", "messages"),
        ("https://host/v1/models/", "models"),
    ],
)
def test_bad_addresses(address: str, reason: str) -> None:
    """Each fault of an address is named."""
    assert reason in (why_not_base_url(address) or "")


@given(st.text())
def test_any_address_is_judged(address: str) -> None:
    """No text breaks the check."""
    assert why_not_base_url(address) != ""
    assert why_not_origin(address) != ""


def test_origins() -> None:
    """An origin has no path; the remedy repeats what is right of it."""
    assert why_not_origin("*") is None
    assert why_not_origin("http://localhost:5173") is None
    assert "https://a.example" in (why_not_origin("https://a.example/") or "")
    assert "app.example.com" in (why_not_origin("a.example") or "")
