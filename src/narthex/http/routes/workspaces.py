"""Workspaces: listed, made, changed, put away and brought back."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import ColumnElement
from starlette.responses import Response

from narthex.http import control_documents as documents
from narthex.http.control import Id, answered, flag_of, listed, page_of, read, version_of
from narthex.http.guarding import acting, caller_of, changing
from narthex.http.services import Services
from narthex.stores.database.schema import workspaces
from narthex.tenancy import reach
from narthex.tenancy import workspaces as service
from narthex.tenancy.documents import read_document
from narthex.tenancy.editing import listed as rows
from narthex.tenancy.exporting import export_workspace
from narthex.tenancy.importing import import_document
from narthex.tenancy.records import Workspace, WorkspaceSettings
from narthex.tenancy.virtual_keys import PREFIX

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Words = Annotated[str, Meta(max_length=2_000)]


class _New(msgspec.Struct, forbid_unknown_fields=True):
    slug: str
    name: Name | None = None
    description: Words = ""
    organisation_id: Id | None = None
    settings: WorkspaceSettings | None = None
    is_template: bool = False
    template_id: Id | None = None


class _Change(msgspec.Struct, forbid_unknown_fields=True):
    slug: str | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    description: Words | UnsetType = UNSET
    settings: dict[str, object] | UnsetType = UNSET
    is_template: bool | UnsetType = UNSET


class _Export(msgspec.Struct, forbid_unknown_fields=True):
    passphrase: str | None = None


class _Import(msgspec.Struct, forbid_unknown_fields=True):
    document: dict[str, object]
    organisation_id: Id | None = None
    passphrase: str | None = None


def workspace_routes(services: Services) -> APIRouter:
    """Return `/api/workspaces`."""
    router, office = APIRouter(), services.office

    @router.get("/api/workspaces", **documents.LIST_WORKSPACES)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def all_of_them(request: Request) -> Response:
        where, page = _wanted(services, request), page_of(request)
        part = await office.read(lambda connection: rows(connection, workspaces, Workspace, where, page))
        return listed(list(part.items), part.next, told)

    @router.get("/api/workspaces/{workspace_id}", **documents.GET_WORKSPACE)  # type: ignore[arg-type]  # as above
    async def show(workspace_id: str) -> Response:
        one = await office.read(lambda connection: service.workspace(connection, workspace_id))
        return answered(told(one), version=one.version)

    _add_making(router, services)
    _add_changes(router, services)
    _add_putting_away(router, services)
    _add_documents(router, services)
    return router


def _add_making(router: APIRouter, services: Services) -> None:
    office = services.office

    @router.post("/api/workspaces", **documents.CREATE_WORKSPACE)  # type: ignore[arg-type]  # as above
    async def create(request: Request) -> Response:
        wish, caller = await read(request, _New), caller_of(request)
        organisation_id = wish.organisation_id or caller.account.organisation_id
        who = changing(request, "workspaces:write", organisation_id=organisation_id)
        owner = caller.account.user_id if not caller.is_operator else ""
        values = service.NewWorkspace(
            organisation_id=organisation_id,
            slug=wish.slug,
            name=wish.name or wish.slug,
            description=wish.description,
            settings=wish.settings,
            is_template=wish.is_template,
            template_id=wish.template_id,
            owner_id=owner or None,
        )
        new = await office.write(lambda connection: service.create_workspace(connection, who, values))
        return answered(told(new), version=new.version)


def _add_changes(router: APIRouter, services: Services) -> None:
    office = services.office

    @router.patch("/api/workspaces/{workspace_id}", **documents.UPDATE_WORKSPACE)  # type: ignore[arg-type]  # as above
    async def update(request: Request, workspace_id: str) -> Response:
        change, version = await read(request, _Change), version_of(request)
        values = {name: value for name in change.__struct_fields__ if (value := getattr(change, name)) is not UNSET}
        who = acting(request, workspace_id=workspace_id)
        one = await office.write(
            lambda connection: service.update_workspace(connection, who, workspace_id, values, version=version)
        )
        return answered(told(one), version=one.version)


def _add_putting_away(router: APIRouter, services: Services) -> None:
    office = services.office

    @router.post("/api/workspaces/{workspace_id}/archive", **documents.ARCHIVE_WORKSPACE)  # type: ignore[arg-type]  # as above
    async def archive(request: Request, workspace_id: str) -> Response:
        who, version = acting(request, workspace_id=workspace_id), version_of(request)
        one = await office.write(
            lambda connection: service.archive_workspace(connection, who, workspace_id, version=version)
        )
        return answered(told(one), version=one.version)

    @router.post("/api/workspaces/{workspace_id}/restore", **documents.RESTORE_WORKSPACE)  # type: ignore[arg-type]  # as above
    async def restore(request: Request, workspace_id: str) -> Response:
        who, version = acting(request, workspace_id=workspace_id), version_of(request)
        one = await office.write(
            lambda connection: service.restore_workspace(connection, who, workspace_id, version=version)
        )
        return answered(told(one), version=one.version)


def _add_documents(router: APIRouter, services: Services) -> None:
    # What keys are hashed with is known once the database is open.
    office, mark = services.office, partial(services.keyring.mark_of, PREFIX.encode())

    @router.post("/api/workspaces/{workspace_id}/export", **documents.EXPORT_WORKSPACE)  # type: ignore[arg-type]  # as above
    async def export(request: Request, workspace_id: str) -> Response:
        passphrase = (await read(request, _Export)).passphrase
        who = acting(request, workspace_id=workspace_id)
        document = await office.write(
            lambda one: export_workspace(one, who, workspace_id, passphrase=passphrase, marked_by=mark())
        )
        return answered(document)

    @router.post("/api/workspace-imports", **documents.IMPORT_WORKSPACES)  # type: ignore[arg-type]  # as above
    async def take_in(request: Request) -> Response:
        wish = await read(request, _Import)
        home = wish.organisation_id or caller_of(request).account.organisation_id
        who = changing(request, "workspaces:write", organisation_id=home)
        document, phrase = read_document(wish.document), wish.passphrase
        made = await office.write(
            lambda one: import_document(one, who, document, organisation_id=home, passphrase=phrase, marked_by=mark())
        )
        return listed(made, None, told)


def told(one: Workspace) -> dict[str, object]:
    """Return what is told of a workspace."""
    return {
        "object": "workspace",
        "id": one.id,
        "organisation_id": one.organisation_id,
        "slug": one.slug,
        "name": one.name,
        "description": one.description,
        "settings": one.settings,
        "is_template": one.is_template,
        "created_at": one.created_at // 1_000,
        "archived_at": None if one.archived_at is None else one.archived_at // 1_000,
        "version": one.version,
    }


def _wanted(services: Services, request: Request) -> list[ColumnElement[bool]]:
    """Return what a list is narrowed to: what the caller sees, and the filters."""
    where: list[ColumnElement[bool]] = []
    seen = reach.visible_workspaces(services.office.directory, caller_of(request), "workspaces:read")
    if seen is not None:
        where.append(workspaces.c.id.in_(seen))
    organisation_id = request.query_params.get("organisation_id")
    if organisation_id is not None:
        where.append(workspaces.c.organisation_id == organisation_id)
    template, archived = flag_of(request, "is_template"), flag_of(request, "archived")
    if template is not None:
        where.append(workspaces.c.is_template == template)
    if archived is not None:
        where.append(workspaces.c.archived_at.is_not(None) if archived else workspaces.c.archived_at.is_(None))
    return where
