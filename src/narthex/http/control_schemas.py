"""The schemas of what the control API takes and tells: organisations, workspaces, people, roles and keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from narthex.http.schemas import COUNT, FLAG, TEXT, Json, complete, listed, nullable, one_of, record, ref, said
from narthex.tenancy.documents import MIN_PASSPHRASE, Document
from narthex.tenancy.invitations import LONGEST_S, USUAL_S
from narthex.tenancy.issuing import MAX_OVERLAP_S
from narthex.tenancy.permissions import ALL, BUILT_IN
from narthex.tenancy.scopes import ROUTE_WORDS

_OCTET: Final = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4: Final = rf"^({_OCTET}\.){{3}}{_OCTET}(/(3[0-2]|[12]?[0-9]))?$"
_GROUP: Final = "[0-9a-fA-F]{1,4}"
_IPV6: Final = (
    rf"^(({_GROUP}:){{7}}{_GROUP}|({_GROUP}:){{1,6}}:({_GROUP})?|::({_GROUP})?)(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?$"
)

_NAME: Final[Json] = {"type": "string", "minLength": 1, "maxLength": 200}
_SLUG: Final[Json] = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$"}
_ID: Final[Json] = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[!-~]+$"}
_PATTERN: Final[Json] = {"type": "string", "minLength": 1, "maxLength": 256}
_SECONDS: Final[Json] = said(COUNT, "Unix time in seconds.")
_EXPIRES: Final[Json] = said({**COUNT, "maximum": 32_503_680_000}, "Unix time in seconds.")
_ROLE: Final[Json] = said(_ID, f"{', '.join(BUILT_IN)}, or one's own.")
_PERMISSION: Final[Json] = one_of(*sorted(ALL))
_TAGS: Final[Json] = said(
    {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$", "maxLength": 64},
        "additionalProperties": {"type": "string", "pattern": "^[ -~]*$", "maxLength": 64},
        "maxProperties": 5,
    },
    "What its calls are marked with.",
)
_EMAIL: Final[Json] = {"type": "string", "maxLength": 320, "pattern": "^[!-?A-~]+@[!-?A-~]+$"}
_ROBOT: Final[Json] = {"kind": {"const": "service"}}
_PRIORITY: Final[Json] = one_of("low", "normal", "high")


def _list_of(name: str) -> Json:
    return complete(
        {
            "object": {"const": "list"},
            "data": listed(ref(name)),
            "has_more": FLAG,
            "next": said(nullable(TEXT), "`after` of the part behind this one."),
        }
    )


def _closed(properties: Mapping[str, object], required: tuple[str, ...] = ()) -> Json:
    return record(properties, required, additionalProperties=False)


def _untitled(schema: Json) -> Json:
    return {name: value for name, value in schema.items() if name != "title"}


_SETTINGS: Final[Mapping[str, Json]] = {
    "default_model": said({**TEXT, "maxLength": 200}, "For calls that name none; empty for the configured one."),
    "default_provider": said({**TEXT, "maxLength": 200}, "Where a plain name is looked for first."),
    "allowed_models": said(listed(_PATTERN, maxItems=200), "Names in which `*` stands for anything; none for all."),
    "caching": said(FLAG, "Whether answers may come from a cache."),
    "capture": said(one_of("none", "metadata", "content"), "What is kept of calls."),
    "retention_days": nullable({"type": "integer", "minimum": 1, "maximum": 3_650}),
    "currency": {"const": "USD"},
}
_WORKSPACE_WISH: Final[Mapping[str, Json]] = {
    "slug": _SLUG,
    "name": _NAME,
    "description": {"type": "string", "maxLength": 2_000},
    "settings": ref("WorkspaceSettingsWish"),
    "is_template": FLAG,
}
_SCOPES: Final[Mapping[str, Json]] = {
    "models": said(listed(_PATTERN, maxItems=200), "Names in which `*` stands for anything; none for all."),
    "routes": said(listed(one_of(*ROUTE_WORDS), maxItems=16), "None for all."),
    "addresses": said(
        listed({"type": "string", "maxLength": 64, "anyOf": [{"pattern": _IPV4}, {"pattern": _IPV6}]}, maxItems=200),
        "Networks or addresses that it may be used from; none for all.",
    ),
    "permissions": said(listed(_PERMISSION, maxItems=200), "Beside `models:call`."),
}
_KEY: Final[Mapping[str, Json]] = {
    "object": {"const": "key"},
    "id": TEXT,
    "organisation_id": TEXT,
    "workspace_id": TEXT,
    "user_id": nullable(TEXT),
    "name": TEXT,
    "shown": said(TEXT, "How it begins."),
    "scopes": ref("KeyScopes"),
    "tags": _TAGS,
    "priority": _PRIORITY,
    "created_at": _SECONDS,
    "expires_at": nullable(_SECONDS),
    "revoked_at": nullable(_SECONDS),
    "rotated_to": said(nullable(TEXT), "ID of the key that follows it."),
    "first_used_at": nullable(_SECONDS),
    "last_used_at": nullable(_SECONDS),
    "version": COUNT,
}
_KEY_CHANGE: Final[Mapping[str, Json]] = {
    "name": _NAME,
    "scopes": ref("KeyScopesWish"),
    "tags": _TAGS,
    "priority": _PRIORITY,
    "expires_at": nullable(_EXPIRES),
}

_INVITATION: Final[Mapping[str, Json]] = {
    "object": {"const": "invitation"},
    "id": TEXT,
    "organisation_id": TEXT,
    "workspace_id": said(nullable(TEXT), "null for the organisation as a whole."),
    "email": TEXT,
    "role": TEXT,
    "state": one_of("open", "accepted", "revoked", "expired"),
    "created_at": _SECONDS,
    "created_by": said(TEXT, "ID of the user or the key that invites; `cli` or `local` for who runs the server."),
    "expires_at": _SECONDS,
    "accepted_at": nullable(_SECONDS),
    "accepted_by": said(nullable(TEXT), "ID of the user who came in."),
    "revoked_at": nullable(_SECONDS),
    "version": COUNT,
}

_, _PARTS = msgspec.json.schema_components([Document], ref_template="#/components/schemas/Exported{name}")

CONTROL: Final[Mapping[str, Json]] = {
    **{f"Exported{name}": _untitled(schema) for name, schema in _PARTS.items()},
    "Organisations": _list_of("Organisation"),
    "Organisation": complete(
        {
            "object": {"const": "organisation"},
            "id": TEXT,
            "slug": TEXT,
            "name": TEXT,
            "created_at": _SECONDS,
            "version": COUNT,
        }
    ),
    "OrganisationWish": _closed({"slug": _SLUG, "name": _NAME}, ("slug",)),
    "OrganisationChange": _closed({"name": _NAME}, ("name",)),
    "Workspaces": _list_of("Workspace"),
    "Workspace": complete(
        {
            "object": {"const": "workspace"},
            "id": TEXT,
            "organisation_id": TEXT,
            "slug": TEXT,
            "name": TEXT,
            "description": TEXT,
            "settings": ref("WorkspaceSettings"),
            "is_template": FLAG,
            "created_at": _SECONDS,
            "archived_at": nullable(_SECONDS),
            "version": COUNT,
        }
    ),
    "WorkspaceSettings": complete(_SETTINGS),
    "WorkspaceSettingsWish": _closed(_SETTINGS),
    "WorkspaceWish": _closed(
        {**_WORKSPACE_WISH, "organisation_id": nullable(_ID), "template_id": nullable(_ID)}, ("slug",)
    ),
    "WorkspaceChange": _closed(_WORKSPACE_WISH),
    "ExportWish": _closed(
        {"passphrase": said(nullable({"type": "string", "minLength": MIN_PASSPHRASE}), "Seals what keys are held by.")}
    ),
    "ImportWish": _closed(
        {
            "document": ref("ExportedDocument"),
            "organisation_id": nullable(_ID),
            "passphrase": said(nullable(TEXT), "Of what is sealed."),
        },
        ("document",),
    ),
    "Members": _list_of("Member"),
    "Member": complete(
        {
            "object": {"const": "member"},
            "workspace_id": TEXT,
            "user_id": TEXT,
            "role": TEXT,
            "source": one_of("hand", "groups"),
            "created_at": _SECONDS,
            "version": COUNT,
        }
    ),
    "MemberWish": _closed({"user_id": _ID, "role": _ROLE}, ("user_id",)),
    "MemberChange": _closed({"role": _ROLE}, ("role",)),
    "Users": _list_of("User"),
    "User": complete(
        {
            "object": {"const": "user"},
            "id": TEXT,
            "organisation_id": TEXT,
            "kind": one_of("person", "service"),
            "email": nullable(TEXT),
            "name": TEXT,
            "role": said(TEXT, "In the organisation."),
            "current_workspace_id": nullable(TEXT),
            "created_at": _SECONDS,
            "last_sign_in_at": nullable(_SECONDS),
            "disabled_at": nullable(_SECONDS),
            "version": COUNT,
        }
    ),
    "UserWish": _closed(
        {
            "name": _NAME,
            "email": nullable(_EMAIL),
            "kind": one_of("person", "service"),
            "role": _ROLE,
            "organisation_id": nullable(_ID),
        },
        ("name",),
    )
    | {"anyOf": [{"required": ["email"], "properties": {"email": TEXT}}, {"required": ["kind"], "properties": _ROBOT}]},
    "UserChange": _closed({"name": _NAME, "email": _EMAIL, "role": _ROLE, "disabled": FLAG}),
    "Invitations": _list_of("Invitation"),
    "Invitation": complete(_INVITATION),
    "NewInvitation": complete(
        {
            **_INVITATION,
            "token": said(TEXT, "What lets them in: told this once."),
            "path": said(TEXT, "The page that takes it, on the address of this server: the link to hand over."),
        }
    ),
    "InvitationWish": _closed(
        {
            "email": _EMAIL,
            "role": _ROLE,
            "organisation_id": nullable(_ID),
            "workspace_id": said(nullable(_ID), "Into which; the organisation as a whole by default."),
            "lifetime_s": said({"type": "integer", "minimum": 60, "maximum": LONGEST_S}, f"{USUAL_S} by default."),
        },
        ("email",),
    ),
    "Me": complete(
        {
            "object": {"const": "me"},
            "name": TEXT,
            "organisation_id": TEXT,
            "workspace_id": TEXT,
            "user_id": nullable(TEXT),
            "user_name": nullable(TEXT),
            "key_id": TEXT,
            "permissions": listed(_PERMISSION),
            "is_operator": said(FLAG, "Whether you run the server."),
        }
    ),
    "MyWorkspace": _closed({"workspace_id": _ID}, ("workspace_id",)),
    "MemberDeleted": complete(
        {"object": {"const": "member"}, "workspace_id": TEXT, "user_id": TEXT, "deleted": {"const": True}}
    ),
    "RoleDeleted": complete({"object": {"const": "role"}, "id": TEXT, "deleted": {"const": True}}),
    "Roles": _list_of("Role"),
    "Role": complete(
        {
            "object": {"const": "role"},
            "id": said(nullable(TEXT), "null of the built-in ones."),
            "organisation_id": nullable(TEXT),
            "name": TEXT,
            "permissions": listed(_PERMISSION),
            "version": nullable(COUNT),
        }
    ),
    "RoleWish": _closed(
        {"name": _SLUG, "permissions": listed(_PERMISSION, maxItems=200), "organisation_id": nullable(_ID)},
        ("name", "permissions"),
    ),
    "RoleChange": _closed({"permissions": listed(_PERMISSION, maxItems=200)}, ("permissions",)),
    "Keys": _list_of("Key"),
    "Key": complete(_KEY),
    "NewKey": complete({**_KEY, "key": said(TEXT, "The key itself: told this once.")}),
    "KeyScopes": complete(_SCOPES),
    "KeyScopesWish": _closed(_SCOPES),
    "KeyWish": _closed({**_KEY_CHANGE, "workspace_id": nullable(_ID), "user_id": nullable(_ID)}, ("name",)),
    "KeyChange": _closed(_KEY_CHANGE),
    "KeyRotation": _closed(
        {
            "overlap_s": said(
                {"type": "integer", "minimum": 0, "maximum": MAX_OVERLAP_S},
                "For how long the old key is still good, in seconds; 0 by default.",
            )
        }
    ),
}
"""By their names in the document."""
