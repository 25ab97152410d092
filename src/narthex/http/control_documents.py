"""The operations of the control API in the OpenAPI document."""

from __future__ import annotations

from typing import Final

from narthex.http.control import MAX_LISTED, USUAL_LISTED
from narthex.http.operations import ANSWER_HEADERS, answers, json_body, query
from narthex.http.schemas import TEXT, Json, ref

_ETAG: Final[Json] = {
    **ANSWER_HEADERS,
    "etag": {
        "description": "Its version, and behind it what it says: for `If-Match`, and `If-None-Match`.",
        "required": True,
        "schema": TEXT,
    },
}
_IF_MATCH: Final[Json] = {
    "name": "If-Match",
    "in": "header",
    "description": "The `ETag` of what was read: nothing is done if it has changed since.",
    "schema": {"type": "string", "pattern": '^((W/)?"[0-9]{1,9}(-[0-9a-f]{24})?"|\\*)$'},
}
_PAGES: Final[tuple[Json, ...]] = (
    query("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LISTED}, f"How many; {USUAL_LISTED} by default."),
    query("after", TEXT, "`next` of the part before."),
)
_FLAG: Final[Json] = {"enum": ["true", "false"]}


def listing(name: str, tag: str, summary: str, *filters: Json) -> Json:
    """Describe an operation that lists: a part of what there is, narrowed by filters."""
    return {
        "tags": [tag],
        "summary": summary,
        "openapi_extra": {"parameters": [*_PAGES, *filters]},
        "responses": answers(json_body(name), "A part of the list.", errors=(400, 401, 403, 404, 503)),
    }


def showing(name: str, tag: str, summary: str) -> Json:
    """Describe an operation that shows one."""
    told = answers(json_body(name), "How it is.", headers=_ETAG, errors=(401, 403, 404, 503))
    return {"tags": [tag], "summary": summary, "responses": told}


def changing(name: str, tag: str, summary: str, *, body: str = "", is_new: bool = False, ends: bool = False) -> Json:
    """Describe an operation that makes, changes or ends one."""
    extra: Json = {} if is_new else {"parameters": [_IF_MATCH]}
    if body:
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": ref(body)}}}
    errors = (400, 401, 403, 404, 408, 409, 412, 413, 503)
    told = answers(json_body(name), "How it is now.", headers=ANSWER_HEADERS if ends else _ETAG, errors=errors)
    return {"tags": [tag], "summary": summary, "openapi_extra": extra, "responses": told}


_ORGANISATION: Final = query("organisation_id", TEXT, "Only those of this organisation.")
_WORKSPACE: Final = query("workspace_id", TEXT, "Only those of this workspace.")

LIST_ORGANISATIONS: Final = listing("Organisations", "Organisations", "List the organisations that you see")
CREATE_ORGANISATION: Final = changing(
    "Organisation", "Organisations", "Make an organisation", body="OrganisationWish", is_new=True
)
GET_ORGANISATION: Final = showing("Organisation", "Organisations", "Show an organisation")
UPDATE_ORGANISATION: Final = changing(
    "Organisation", "Organisations", "Rename an organisation", body="OrganisationChange"
)

LIST_WORKSPACES: Final = listing(
    "Workspaces",
    "Workspaces",
    "List the workspaces that you see",
    _ORGANISATION,
    query("is_template", _FLAG, "Only templates, or none of them."),
    query("archived", _FLAG, "Only archived ones, or none of them."),
)
CREATE_WORKSPACE: Final = changing(
    "Workspace", "Workspaces", "Make a workspace, from a template if wanted", body="WorkspaceWish", is_new=True
)
GET_WORKSPACE: Final = showing("Workspace", "Workspaces", "Show a workspace")
UPDATE_WORKSPACE: Final = changing(
    "Workspace", "Workspaces", "Change a workspace; settings that are not named stay", body="WorkspaceChange"
)
ARCHIVE_WORKSPACE: Final = changing("Workspace", "Workspaces", "Put a workspace away: its keys open nothing")
RESTORE_WORKSPACE: Final = changing("Workspace", "Workspaces", "Bring a workspace back that was put away")

EXPORT_WORKSPACE: Final = changing(
    "ExportedDocument", "Workspaces", "Export a workspace as a document", body="ExportWish", is_new=True, ends=True
)
IMPORT_WORKSPACES: Final = changing(
    "Workspaces",
    "Workspaces",
    "Make the workspaces of a document, or nothing of it",
    body="ImportWish",
    is_new=True,
    ends=True,
)

LIST_KEYS: Final = listing(
    "Keys",
    "Keys",
    "List the virtual keys that you see",
    _WORKSPACE,
    query("user_id", TEXT, "Only those of this user."),
    query("revoked", _FLAG, "Only revoked ones, or none of them."),
)
CREATE_KEY: Final = changing("NewKey", "Keys", "Make a virtual key; it is told this once", body="KeyWish", is_new=True)
GET_KEY: Final = showing("Key", "Keys", "Show what is known of a virtual key")
UPDATE_KEY: Final = changing("Key", "Keys", "Change a virtual key", body="KeyChange")
ROTATE_KEY: Final = changing("NewKey", "Keys", "Make the key that follows another one", body="KeyRotation")
REVOKE_KEY: Final = changing("Key", "Keys", "Have a virtual key open nothing any more, at once")

LIST_MEMBERS: Final = listing("Members", "Workspaces", "List the members of a workspace")
GET_MEMBER: Final = showing("Member", "Workspaces", "Show a member of a workspace")
ADD_MEMBER: Final = changing("Member", "Workspaces", "Take a user into a workspace", body="MemberWish", is_new=True)
UPDATE_MEMBER: Final = changing("Member", "Workspaces", "Give a member another role", body="MemberChange")
REMOVE_MEMBER: Final = changing("MemberDeleted", "Workspaces", "Take a member out of a workspace", ends=True)

LIST_INVITATIONS: Final = listing(
    "Invitations", "Users", "List the invitations to where you may take people in", _ORGANISATION, _WORKSPACE
)
GET_INVITATION: Final = showing("Invitation", "Users", "Show an invitation")
CREATE_INVITATION: Final = changing(
    "NewInvitation", "Users", "Invite somebody; the link is told this once", body="InvitationWish", is_new=True
)
REVOKE_INVITATION: Final = changing("Invitation", "Users", "Have an invitation let nobody in any more")

LIST_USERS: Final = listing("Users", "Users", "List the people and service accounts of an organisation", _ORGANISATION)
GET_USER: Final = showing("User", "Users", "Show a user")
CREATE_USER: Final = changing("User", "Users", "Make a person or a service account", body="UserWish", is_new=True)
UPDATE_USER: Final = changing("User", "Users", "Change a user, or have them act no more", body="UserChange")
SHOW_ME: Final[Json] = {
    "tags": ["Users"],
    "summary": "Tell who you are, and what you may do in your workspace",
    "responses": answers(json_body("Me"), "You.", errors=(401, 403)),
}
SET_MY_WORKSPACE: Final = changing(
    "Me", "Users", "Work in another workspace from now on", body="MyWorkspace", is_new=True, ends=True
)

LIST_ROLES: Final = listing("Roles", "Roles", "List the built-in roles and those of an organisation", _ORGANISATION)
GET_ROLE: Final = showing("Role", "Roles", "Show a role of an organisation")
CREATE_ROLE: Final = changing("Role", "Roles", "Make a role", body="RoleWish", is_new=True)
UPDATE_ROLE: Final = changing("Role", "Roles", "Have a role allow something else", body="RoleChange")
DELETE_ROLE: Final = changing("RoleDeleted", "Roles", "Take a role away that nobody has", ends=True)
