"""Sizes are measured as the style guide counts them, and the list of offenders only shrinks."""

from __future__ import annotations

from scripts import budgets

SOURCE = '''"""A module."""


class Room:
    """A room."""

    def enter(self) -> None:
        """Go in."""
        print("in")

        print("done")

    def on_header(self) -> None: ...

    def _hide(self) -> None:
        def inner() -> int:
            return 1

        inner()
'''


def _size(kind: budgets.Kind, figure: int) -> budgets.Size:
    return budgets.Size(kind=kind, name="src/room.py", figure=figure)


def test_counts_lines_methods_and_bodies() -> None:
    """A body is counted without its docstring, a nested function by itself too, and only methods for others count."""
    figures = {size.key: size.figure for size in budgets.sizes_in("room.py", SOURCE)}
    assert figures == {
        "module room.py": 19,
        "class room.py::Room": 16,
        "methods room.py::Room": 1,
        "function room.py::Room.enter": 3,
        "function room.py::Room.on_header": 1,
        "function room.py::Room._hide": 4,
        "function room.py::Room._hide.inner": 1,
    }


def test_a_function_of_a_docstring_alone_has_no_body() -> None:
    """A docstring is no body."""
    sizes = {size.key: size.figure for size in budgets.sizes_in("a.py", 'def f():\n    """Say."""\n')}
    assert sizes["function a.py::f"] == 0


def test_a_new_offender_is_a_breach() -> None:
    """What stands above its soft limit without being listed is reported."""
    assert budgets.problems({"module src/room.py": _size("module", 501)}, {}) != []


def test_a_listed_offender_may_stay_but_not_grow() -> None:
    """A figure in the list is a ceiling."""
    key = "function src/room.py"
    assert budgets.problems({key: _size("function", 30)}, {key: 30}) == []
    assert budgets.problems({key: _size("function", 31)}, {key: 30}) != []


def test_the_hard_limit_holds_for_listed_offenders_too() -> None:
    """No entry in the list excuses a thing above the hard limit."""
    key = "class src/room.py"
    assert "hard limit" in budgets.problems({key: _size("class", 401)}, {key: 401})[0]


def test_a_shrunk_offender_must_be_lowered() -> None:
    """A figure that has fallen, or is met, must leave the list, so that it cannot rise again."""
    key = "function src/room.py"
    assert budgets.problems({key: _size("function", 28)}, {key: 30}) != []
    assert budgets.problems({}, {key: 30}) != []


def test_lowering_never_raises_or_adds() -> None:
    """The list is rewritten with figures that have fallen, never with new or higher ones."""
    offenders = {
        "function a": _size("function", 40),
        "function b": _size("function", 27),
        "function new": _size("function", 26),
    }
    known = {"function a": 30, "function b": 30, "function met": 30}
    assert budgets.lowered(offenders, known) == {"function a": 30, "function b": 27}


def test_the_tree_meets_its_budgets() -> None:
    """Nothing in this tree is larger than the limits or the list allow."""
    assert budgets.problems(budgets.measured(), budgets.listed()) == []
