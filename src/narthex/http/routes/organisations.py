"""Organisations: listed, made and renamed."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta
from sqlalchemy import ColumnElement
from starlette.responses import Response

from narthex.http import control_documents as documents
from narthex.http.control import answered, listed, page_of, read, version_of
from narthex.http.guarding import acting, caller_of
from narthex.http.services import Services
from narthex.stores.database.schema import organisations
from narthex.tenancy import organisations as service
from narthex.tenancy.editing import listed as rows
from narthex.tenancy.records import Organisation

Name = Annotated[str, Meta(min_length=1, max_length=200)]


class _New(msgspec.Struct, forbid_unknown_fields=True):
    slug: str
    name: Name | None = None


class _Change(msgspec.Struct, forbid_unknown_fields=True):
    name: Name


def organisation_routes(services: Services) -> APIRouter:
    """Return `/api/organisations`."""
    router, office = APIRouter(), services.office

    @router.get("/api/organisations", **documents.LIST_ORGANISATIONS)  # type: ignore[arg-type]  # keywords, from a table
    async def all_of_them(request: Request) -> Response:
        caller, page = caller_of(request), page_of(request)
        where: list[ColumnElement[bool]] = []
        if not caller.is_operator:
            seen = caller.account.organisation_id if "organisation:read" in caller.permissions else ""
            where.append(organisations.c.id == seen)
        part = await office.read(lambda connection: rows(connection, organisations, Organisation, where, page))
        return listed(list(part.items), part.next, told)

    @router.get("/api/organisations/{organisation_id}", **documents.GET_ORGANISATION)  # type: ignore[arg-type]  # as above
    async def show(organisation_id: str) -> Response:
        one = await office.read(lambda connection: service.organisation(connection, organisation_id))
        return answered(told(one), version=one.version)

    _add_changes(router, services)
    return router


def _add_changes(router: APIRouter, services: Services) -> None:
    office = services.office

    @router.post("/api/organisations", **documents.CREATE_ORGANISATION)  # type: ignore[arg-type]  # as above
    async def create(request: Request) -> Response:
        wish = await read(request, _New)
        who, name = acting(request), wish.name or wish.slug
        new = await office.write(
            lambda connection: service.create_organisation(connection, who, slug=wish.slug, name=name)
        )
        return answered(told(new), version=new.version)

    @router.patch("/api/organisations/{organisation_id}", **documents.UPDATE_ORGANISATION)  # type: ignore[arg-type]  # as above
    async def update(request: Request, organisation_id: str) -> Response:
        name, version = (await read(request, _Change)).name, version_of(request)
        who = acting(request, organisation_id=organisation_id)
        one = await office.write(
            lambda connection: service.update_organisation(connection, who, organisation_id, name=name, version=version)
        )
        return answered(told(one), version=one.version)


def told(one: Organisation) -> dict[str, object]:
    """Return what is told of an organisation."""
    return {
        "object": "organisation",
        "id": one.id,
        "slug": one.slug,
        "name": one.name,
        "created_at": one.created_at // 1_000,
        "version": one.version,
    }
