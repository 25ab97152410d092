"""Single sign-on: the two addresses that a browser is sent to, there and back."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from narthex.errors import NarthexError
from narthex.http import sign_in_documents as documents
from narthex.http.cookies import SESSION, SINGLE_SIGN_ON, cookie_of, set_cookie
from narthex.http.services import Services
from narthex.http.sign_in import headers_of, home_of, own_pages, visitor_of
from narthex.tenancy.sign_in.desk import Desk
from narthex.tenancy.sign_in.reception import Reception
from narthex.tenancy.sign_in.single_sign_on.flow import LASTS_S, Departure, SingleSignOn

CALLBACK = "/api/auth/oidc/callback"


def single_sign_on_routes(services: Services) -> APIRouter:
    """Return `/api/auth/oidc/…`."""
    router, reception = APIRouter(dependencies=[Depends(own_pages)]), services.reception
    way = SingleSignOn(Desk(reception))

    @router.get("/api/auth/oidc/start", **documents.OIDC_START)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def start(request: Request) -> Response:
        try:
            back, secure = _callback(request, reception)
            departure = await way.depart(back, request.query_params.get("return_to", "/"))
        except NarthexError as error:
            return _turned_away(error)
        return _sent(departure, secure=secure)

    _add_callback(router, reception, way)
    return router


def _add_callback(router: APIRouter, reception: Reception, way: SingleSignOn) -> None:
    @router.get(CALLBACK, **documents.OIDC_CALLBACK)  # type: ignore[arg-type]  # as above
    async def callback(request: Request) -> Response:
        said, headers = request.query_params, headers_of(request)
        try:
            _, secure = _callback(request, reception)
            arrival = await way.arrive(
                ticket=cookie_of(SINGLE_SIGN_ON, request.scope, headers),
                state=said.get("state", ""),
                code=said.get("code", ""),
                error=said.get("error", ""),
                issuer=said.get("iss"),
                visitor=visitor_of(request),
            )
        except NarthexError as error:
            return _turned_away(error)
        response = _redirect(arrival.return_to)
        max_age_s = int(reception.settings.longest_s)
        kept = set_cookie(SESSION, arrival.opened.token, secure=secure, max_age_s=max_age_s)
        response.headers.append("set-cookie", kept)
        response.headers.append("set-cookie", set_cookie(SINGLE_SIGN_ON, "", secure=secure, max_age_s=0))
        return response


def _callback(request: Request, reception: Reception) -> tuple[str, bool]:
    """Return where the provider sends a browser back to, and whether that is over TLS."""
    settings, home = reception.settings.oidc, home_of(request, reception)
    address = settings.redirect_url if settings is not None and settings.redirect_url is not None else None
    return address or home.removesuffix("/") + CALLBACK, home.startswith("https://")


def _sent(departure: Departure, *, secure: bool) -> Response:
    response = _redirect(departure.address)
    kept = set_cookie(SINGLE_SIGN_ON, departure.ticket, secure=secure, max_age_s=LASTS_S)
    response.headers.append("set-cookie", kept)
    return response


def _turned_away(error: NarthexError) -> Response:
    """Show the sign-in page with what went wrong: a browser is here, not a program."""
    return _redirect("/?" + urlencode({"sign_in_problem": error.message[:300]}))


def _redirect(address: str) -> Response:
    headers = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
    return RedirectResponse(address, status_code=303, headers=headers)
