"""The rows of known vendors."""

from __future__ import annotations

import re

from narthex.types.vendors import VENDORS


def test_every_row_is_whole() -> None:
    """Each vendor has an address without a trailing slash, a page, and chat at least."""
    for name, vendor in VENDORS.items():
        assert re.fullmatch(r"[a-z]+", name)
        assert vendor.name == name
        assert re.fullmatch(r"https?://[a-z0-9.:-]+(/[a-z0-9/]+[a-z0-9])?", vendor.base_url)
        assert vendor.docs_url.startswith("https://")
        assert "chat" in vendor.capabilities


def test_no_variable_belongs_to_two_vendors() -> None:
    """A key in the environment can only be sent to one vendor."""
    variables = [variable for vendor in VENDORS.values() for variable in vendor.key_variables]
    assert len(variables) == len(set(variables))


def test_only_those_on_this_machine_need_no_key() -> None:
    """A vendor elsewhere has a key variable, one here has none."""
    for vendor in VENDORS.values():
        assert (vendor.key_variable is None) == ("127.0.0.1" in vendor.base_url)
