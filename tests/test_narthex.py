"""The package's own door."""

from __future__ import annotations

import subprocess
import sys

import pytest

import narthex


def test_exports_are_there() -> None:
    """Every name of `__all__` is loaded when asked for, and listed."""
    for name in narthex.__all__:
        assert getattr(narthex, name) is not None
        assert name in dir(narthex)


def test_other_names_are_not() -> None:
    """A name that does not exist is an attribute error, as of any module."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = narthex.nothing


def test_importing_loads_next_to_nothing() -> None:
    """`import narthex` loads no other module of ours, and none of what we depend on."""
    code = (
        "import sys; import narthex; "
        "print([name for name in sys.modules if name.partition('.')[0] in "
        "{'narthex', 'msgspec', 'pydantic', 'asyncio', 'httptools', 'fastapi'} and name != 'narthex'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
