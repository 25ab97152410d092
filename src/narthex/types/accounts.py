"""To whom a call is charged."""

from __future__ import annotations

from typing import Final

import msgspec

DEFAULT_ORGANISATION: Final = "org_default"
DEFAULT_WORKSPACE: Final = "ws_default"
"""Made at the first start; the local user and the keys of the configuration belong to it."""


class Account(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who pays for a call, by the IDs of the organisation, the workspace, the member and the key."""

    organisation_id: str = DEFAULT_ORGANISATION
    workspace_id: str = DEFAULT_WORKSPACE
    user_id: str = ""
    """Empty where the key belongs to nobody in person."""
    key_id: str = "local"
    """`config:NAME` for a key of the configuration, `local` for the local user."""
    tags: tuple[tuple[str, str], ...] = ()
    """What the key's calls are marked with, name and value, in order of the names."""
