"""Scopes of keys, as they are written down."""

from __future__ import annotations

import pytest

from narthex.errors import InvalidRequest
from narthex.tenancy.scopes import Scopes


def test_scopes_have_one_written_form() -> None:
    """Order and repetition make no difference, and a network is written by its first address."""
    said = Scopes(models=("b", "a", "b"), addresses=("10.1.2.3/8", "::1"), permissions=("usage:read",))
    assert said.checked() == Scopes(models=("a", "b"), addresses=("10.0.0.0/8", "::1/128"), permissions=("usage:read",))
    assert said.checked().checked() == said.checked()


@pytest.mark.parametrize(
    ("scopes", "param"),
    [(Scopes(addresses=("10.0.0.0/33",)), "scopes.addresses"), (Scopes(permissions=("x:y",)), "scopes.permissions")],
)
def test_what_is_no_scope_is_refused(scopes: Scopes, param: str) -> None:
    """The field at fault is named."""
    with pytest.raises(InvalidRequest) as caught:
        scopes.checked()
    assert caught.value.param == param
