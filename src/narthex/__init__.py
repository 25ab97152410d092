"""One server between applications and every AI model.

    Gateway              the whole gateway inside this process
    Client, AsyncClient  talk to a gateway that runs elsewhere
    StreamController     an answer that such a gateway keeps; AsyncStreamController
    RegisteredAnswer     given by a gateway in place of an error; a function may make it of a FailedCall
    errors               what can go wrong
    types                messages, requests, answers and events

Exports are loaded when first used, so that `import narthex` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from narthex import errors, types
    from narthex.app import Gateway
    from narthex.client import AsyncClient, AsyncStreamController, Client, StreamController
    from narthex.pipeline.answers import FailedCall, RegisteredAnswer

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "AsyncStreamController",
    "Client",
    "FailedCall",
    "Gateway",
    "RegisteredAnswer",
    "StreamController",
    "__version__",
    "errors",
    "types",
]

_HOMES = {
    "AsyncClient": "narthex.client",
    "AsyncStreamController": "narthex.client",
    "Client": "narthex.client",
    "FailedCall": "narthex.pipeline.answers",
    "Gateway": "narthex.app",
    "RegisteredAnswer": "narthex.pipeline.answers",
    "StreamController": "narthex.client",
}
_MODULES = frozenset({"errors", "types"})


def __getattr__(name: str) -> object:
    """Load an export from its room."""
    if name in _MODULES:
        return import_module(f"narthex.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
