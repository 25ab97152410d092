"""What a workspace keeps of its calls."""

from __future__ import annotations

import pytest

from narthex.errors import PermissionDenied
from narthex.tenancy.bounds import Bounds, Capture, Keeping
from narthex.tenancy.keeping import check_keeping, keeps_nothing
from narthex.tenancy.keys import LOCAL, Caller
from narthex.tenancy.scopes import NO_SCOPES


@pytest.mark.parametrize(("capture", "nothing"), [("none", True), ("metadata", False), ("content", False)])
def test_only_one_that_keeps_nothing_refuses(capture: Capture, nothing: bool) -> None:
    """The error says by which setting, and what asked for it."""
    caller = Caller(name="k", bounds=Bounds(NO_SCOPES, keeping=Keeping(capture=capture)))
    assert keeps_nothing(caller) is nothing
    if not nothing:
        check_keeping(caller)
        return
    with pytest.raises(PermissionDenied, match="`capture` is `none`") as refused:
        check_keeping(caller, param="store")
    assert refused.value.param == "store"


def test_who_is_in_no_such_workspace_keeps() -> None:
    """As long as nothing is settled."""
    assert not keeps_nothing(None)
    check_keeping(LOCAL)
