"""What a workspace keeps of its calls."""

from __future__ import annotations

from typing import Final

from narthex.errors import PermissionDenied
from narthex.tenancy.keys import Caller

NOT_KEPT: Final = ("x-narthex-not-kept", "storage_bytes")
"""The header of an answer that would have been kept, if there were room for more."""


def keeps_nothing(caller: Caller | None) -> bool:
    """Tell whether the workspace of a caller keeps nothing of calls."""
    return caller is not None and caller.bounds is not None and caller.bounds.capture == "none"


def check_keeping(caller: Caller, *, param: str | None = None) -> None:
    """Make sure that something may be kept for a caller.

    Args:
        caller: For whom.
        param: What asks for it, in the request.

    Raises:
        PermissionDenied: Their workspace keeps nothing.
    """
    if keeps_nothing(caller):
        raise PermissionDenied(
            "this workspace keeps nothing of its calls: its setting `capture` is `none`", param=param
        )
