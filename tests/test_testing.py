"""What the doubles export."""

from __future__ import annotations

import pytest

import narthex.testing


def test_exports_are_there() -> None:
    """Every name of `__all__` is loaded when asked for."""
    for name in narthex.testing.__all__:
        assert getattr(narthex.testing, name).__name__ == name


def test_other_names_are_not() -> None:
    """A name that does not exist is an attribute error, as of any module."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = narthex.testing.nothing
