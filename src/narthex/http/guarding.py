"""Holds every route to its permission. What is another organisation's or workspace's is not there for the caller."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, cast

from fastapi import Request

from narthex.audit.records import Actor
from narthex.errors import InternalError, NotFound, PermissionDenied
from narthex.http.guards import GUARDS, Guard
from narthex.http.services import Services
from narthex.tenancy import reach
from narthex.tenancy.acting import Acting
from narthex.tenancy.denials import DENIED, Denial
from narthex.tenancy.directory import NOTHING
from narthex.tenancy.keys import Caller
from narthex.tenancy.records import Organisation, Role, User

_MS: Final = 1_000
_OF_ALL_MEMBERS: Final = frozenset({"organisation:read", "roles:read"})
"""What is an organisation's, and told to those who have the permission in a workspace of it alone."""


def guard(services: Services) -> Callable[[Request], Awaitable[None]]:
    """Return what is asked before any route of the application."""

    async def ask(request: Request) -> None:
        template = request.scope["route"].path
        needed = GUARDS.get((request.method, template))
        if needed is None:
            if "narthex.caller" in request.scope:
                # A route that is in no list is open to nobody.
                raise InternalError
            return
        request.scope["narthex.services"] = services
        await _check(services, request, needed)

    return ask


async def _check(services: Services, request: Request, needed: Guard) -> None:
    word, where, caller = needed.permission, needed.where, caller_of(request)
    match where:
        case "anyone":
            return
        case "listed":
            await services.office.database()
        case "own":
            if word not in caller.permissions:
                raise _denied(request, word)
        case "installation":
            if not caller.is_operator:
                await services.office.database()
            if word not in reach.on_installation(services.office.directory, caller):
                raise _denied(request, word)
        case "workspace_id":
            await services.office.database()
            require(request, word, workspace_id=request.path_params[where])
        case _:
            await services.office.database()
            _require_of(services, request, needed)


def _require_of(services: Services, request: Request, needed: Guard) -> None:
    """Hold a route to its permission where what it is about belongs."""
    directory, name, word = services.office.directory, request.path_params[needed.where], needed.permission
    match needed.where:
        case "key_id":
            key = directory.keys.get(name)
            if key is None:
                raise NotFound
            require(request, word, workspace_id=key.workspace_id)
            return
        case "user_id":
            held: User | Role | Organisation | None = directory.users.get(name)
        case "role_id":
            held = directory.roles.get(name)
        case "organisation_id":
            held = directory.organisations.get(name)
        case _:
            # Not held in memory: the route looks whose it is.
            return
    if held is None:
        raise NotFound
    organisation_id = held.id if isinstance(held, Organisation) else held.organisation_id
    require(request, word, organisation_id=organisation_id)


def require(request: Request, permission: str, *, workspace_id: str = "", organisation_id: str = "") -> Caller:
    """Return the caller, who may do that there; without a place, in the workspace of their own.

    Raises:
        NotFound: What is there is another organisation's, or a workspace's that the caller has nothing to do with.
        PermissionDenied: The caller may see it, and not do that.
    """
    services, caller = cast("Services", request.scope["narthex.services"]), caller_of(request)
    directory = services.office.directory
    if workspace_id:
        known = workspace_id in directory.workspaces
        may, sees = reach.in_workspace(directory, caller, workspace_id), NOTHING
    elif organisation_id:
        known = organisation_id in directory.organisations
        may = reach.in_organisation(directory, caller, organisation_id)
        sees = caller.permissions if organisation_id == caller.account.organisation_id else NOTHING
        if permission in _OF_ALL_MEMBERS and permission in sees:
            may = may | {permission}
    else:
        known, may, sees = True, caller.permissions, caller.permissions
    if known and permission in may:
        return caller
    if not known:
        raise NotFound
    if not (may or sees):
        note_denial(services, request, {"permission": permission, "answered": "not_found"})
        raise NotFound
    raise _denied(request, permission)


def changing(request: Request, permission: str, *, workspace_id: str = "", organisation_id: str = "") -> Acting:
    """Return the caller as one who changes something there, which they may; raises as `require` does."""
    require(request, permission, workspace_id=workspace_id, organisation_id=organisation_id)
    return acting(request, workspace_id=workspace_id, organisation_id=organisation_id)


def acting(request: Request, *, workspace_id: str = "", organisation_id: str = "") -> Acting:
    """Return the caller as one who changes something there now."""
    services, caller = cast("Services", request.scope["narthex.services"]), caller_of(request)
    directory = services.office.directory
    if caller.is_operator:
        may = None
    elif workspace_id:
        may = reach.in_workspace(directory, caller, workspace_id)
    else:
        may = reach.in_organisation(directory, caller, organisation_id)
    return Acting(
        actor=actor_of(caller),
        audit=services.audit,
        now=int(time.time() * _MS),
        permissions=may,
        user_id=caller.account.user_id,
        everywhere=reach.in_organisation(directory, caller, caller.account.organisation_id),
        address=address_of(request),
        request_id=request.scope["narthex.request_id"],
    )


def caller_of(request: Request) -> Caller:
    """Return on whose behalf a request is served."""
    return cast("Caller", request.scope["narthex.caller"])


def actor_of(caller: Caller) -> Actor:
    """Return who a caller is in the audit log."""
    return caller.actor


def address_of(request: Request) -> str:
    """Return the address that a request came from."""
    client = request.scope.get("client")
    return "" if client is None else str(client[0])


def note_denial(services: Services, request: Request, why: Mapping[str, str]) -> None:
    """Have it written down that a request is refused."""
    caller: Caller | None = request.scope.get("narthex.caller")
    client = request.scope.get("client")
    target = f"{request.method} {request.scope['path']}"[:200]
    request_id: str = request.scope["narthex.request_id"]
    denials = services.keyring.denials
    if caller is None:
        address = address_of(request)
        actor = Actor("key", "")
        denials.note(
            Denial(action=DENIED, actor=actor, target=target, details=why, address=address, request_id=request_id)
        )
    else:
        denials.note(caller.denial(why, client, target=target, request_id=request_id))


def _denied(request: Request, permission: str) -> PermissionDenied:
    # It is noted where it is answered, as every other refusal of a route.
    request.scope["narthex.denied"] = permission
    return PermissionDenied(f"this needs the permission `{permission}`, which you do not have here")
