"""The error tree: stable codes, honest defaults, and the picture in the docstring is the tree."""

from __future__ import annotations

import inspect
import re

import pytest

from narthex import errors
from narthex.errors import InvalidRequest, NarthexError

CLASSES = [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, NarthexError)]


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_error_is_ready_for_the_wire(error: type[NarthexError]) -> None:
    """Each has a code for programs, a status that is an error, and a sentence for people."""
    assert re.fullmatch(r"[a-z][a-z_]*", error.code)
    assert 400 <= error.status < 600
    assert (error.__doc__ or "").partition("\n")[0].endswith((".", "`"))


def test_the_picture_is_the_tree() -> None:
    """The docstring draws every class once, below its parent, with its own status."""
    drawn = re.findall(r"^    ([│ ]*[├└]── )?(\w+Error|\w+) *(\d{3})?", errors.__doc__ or "", re.MULTILINE)
    names = [name for _, name, _ in drawn]
    assert sorted(names) == sorted(error.__name__ for error in CLASSES)
    for _, name, status in drawn:
        if status:
            assert getattr(errors, name).status == int(status), name


def test_the_first_line_of_the_docstring_is_the_default_message() -> None:
    """An error without words of its own says what its class says."""
    assert str(InvalidRequest()) == "The request is not valid."
    assert str(InvalidRequest("`n` must be 1")) == "`n` must be 1"
