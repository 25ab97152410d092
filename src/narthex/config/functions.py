"""Functions of the operator's that the configuration names: `module:function`."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Final

_PATH: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


class NoFunction(ValueError):
    """There is no such function."""


def function_at(path: str) -> Callable[..., object]:
    """Return what stands at `package.module:name`; the module is imported, and once only.

    Raises:
        NoFunction: It cannot be imported, has no such name, or that cannot be called; with the remedy.
    """
    if not _PATH.fullmatch(path):
        raise NoFunction(f'"{path}" names no function; write `package.module:function`')
    module_name, _, name = path.partition(":")
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise NoFunction(
                f'there is no module "{module_name}"; install it, or add its folder to PYTHONPATH'
            ) from error
        raise NoFunction(
            f'the module "{module_name}" needs "{error.name}", which is not there; install that'
        ) from error
    # Importing runs the operator's code, which may raise anything.
    except Exception as error:
        raise NoFunction(f'the module "{module_name}" cannot be imported: {type(error).__name__}: {error}') from error
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise NoFunction(f'the module "{module_name}" has no "{name}"; name a function in it') from error
    if not callable(found):
        raise NoFunction(f'"{path}" is {type(found).__name__}, which cannot be called; name a function')
    return found
