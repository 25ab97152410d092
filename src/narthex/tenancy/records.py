"""Organisations, workspaces, people, roles and keys: rows of the database, as they are held in memory."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from narthex.tenancy.bounds import Capture
from narthex.tenancy.keys import KeyMark
from narthex.tenancy.scopes import Pattern, Scopes

UserKind = Literal["person", "service"]
Text = Annotated[str, msgspec.Meta(max_length=200)]


class WorkspaceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the calls of a workspace are treated."""

    default_model: Text = ""
    """For calls that name none; empty for the one of the configuration."""
    default_provider: Text = ""
    """Where a plain name is looked for first."""
    allowed_models: Annotated[tuple[Pattern, ...], msgspec.Meta(max_length=200)] = ()
    """Patterns of models that may be used; none for all."""
    caching: bool = True
    """Whether answers may come from a cache."""
    capture: Capture = "metadata"
    """What is kept of calls."""
    retention_days: Annotated[int, msgspec.Meta(ge=1, le=3_650)] | None = None
    """For how long that is kept; None for as long as the configuration says."""
    currency: Literal["USD"] = "USD"
    """In which money is told."""


class Organisation(msgspec.Struct, frozen=True, kw_only=True):
    """Who shares nothing with others on this installation."""

    id: str
    slug: str
    name: str
    settings: dict[str, object]
    created_at: int
    version: int


class Workspace(msgspec.Struct, frozen=True, kw_only=True):
    """Where an organisation keeps what belongs together."""

    id: str
    organisation_id: str
    slug: str
    name: str
    description: str
    settings: WorkspaceSettings
    is_template: bool
    created_at: int
    archived_at: int | None
    version: int


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person, or a service account; nothing of what they sign in with."""

    id: str
    organisation_id: str
    kind: UserKind
    email: str | None
    name: str
    role: str
    current_workspace_id: str | None
    created_at: int
    last_sign_in_at: int | None
    disabled_at: int | None
    version: int


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """A role that an organisation made."""

    id: str
    organisation_id: str
    name: str
    permissions: tuple[str, ...]
    version: int


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """Who is in a workspace, and as what."""

    workspace_id: str
    user_id: str
    role: str
    source: Literal["hand", "groups"]
    created_at: int
    version: int


class VirtualKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key of a workspace; of the key itself only how it begins, and its mark."""

    id: str
    organisation_id: str
    workspace_id: str
    user_id: str | None
    name: str
    shown: str
    digest: KeyMark
    scopes: Scopes
    tags: dict[str, str]
    priority: str
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    rotated_to: str | None
    first_used_at: int | None
    last_used_at: int | None
    version: int
