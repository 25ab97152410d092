"""Accounts."""

from __future__ import annotations

from narthex.types.accounts import DEFAULT_ORGANISATION, DEFAULT_WORKSPACE, Account


def test_who_says_nothing_pays_with_the_default_workspace() -> None:
    """The local user belongs to what is made at the first start."""
    account = Account()
    assert (account.organisation_id, account.workspace_id) == (DEFAULT_ORGANISATION, DEFAULT_WORKSPACE)
    assert account.key_id == "local"
