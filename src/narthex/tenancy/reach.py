"""What a caller may do where: in a workspace, in an organisation, and to the installation as a whole."""

from __future__ import annotations

from narthex.tenancy.directory import NOTHING, Directory
from narthex.tenancy.keys import Caller
from narthex.tenancy.permissions import ALL
from narthex.types.accounts import DEFAULT_ORGANISATION


def is_virtual_key(caller: Caller) -> bool:
    """Tell whether somebody calls with a virtual key, rather than in person."""
    return caller.account.key_id.startswith("key_")


def in_workspace(directory: Directory, caller: Caller, workspace_id: str) -> frozenset[str]:
    """Return what a caller may do in a workspace: a virtual key nothing in any but its own."""
    if caller.is_operator:
        return ALL
    if workspace_id == caller.account.workspace_id:
        return caller.permissions
    if is_virtual_key(caller):
        return NOTHING
    return directory.permissions(caller.account.user_id, workspace_id)


def in_organisation(directory: Directory, caller: Caller, organisation_id: str) -> frozenset[str]:
    """Return what a caller may do in all of an organisation: a virtual key what it and its user both may."""
    if caller.is_operator:
        return ALL
    if organisation_id != caller.account.organisation_id:
        return NOTHING
    everywhere = directory.permissions(caller.account.user_id)
    return everywhere & caller.permissions if is_virtual_key(caller) else everywhere


def on_installation(directory: Directory, caller: Caller) -> frozenset[str]:
    """Return what a caller may do to what all organisations share: those of the default organisation run it."""
    return in_organisation(directory, caller, DEFAULT_ORGANISATION)


def visible_workspaces(directory: Directory, caller: Caller, permission: str) -> list[str] | None:
    """Return the workspaces in which a caller may do something; None for all of the installation."""
    if caller.is_operator:
        return None
    if is_virtual_key(caller):
        return [caller.account.workspace_id] if permission in caller.permissions else []
    user_id, organisation_id = caller.account.user_id, caller.account.organisation_id
    own = (one.id for one in directory.workspaces.values() if one.organisation_id == organisation_id)
    return [one for one in own if permission in directory.permissions(user_id, one)]
