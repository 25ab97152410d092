"""What the routes of signing in have in common: who is there, what is answered, and which cookies go with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from narthex.errors import SignInRequired
from narthex.http.control import answered
from narthex.http.cookies import SESSION, check_same_site, is_secure, set_cookie
from narthex.http.guarding import address_of
from narthex.tenancy.sign_in.contract import Visitor
from narthex.tenancy.sign_in.reception import Guest, Reception
from narthex.tenancy.sign_in.session_rows import Opened

Headers = Mapping[bytes, bytes]


def headers_of(request: Request) -> Headers:
    """Return the headers of a request."""
    return dict(request.scope["headers"])


def own_pages(request: Request) -> None:
    """Take requests from our own pages alone.

    Raises:
        CrossSiteRequest: It changes something, and comes from elsewhere.
    """
    check_same_site(request.scope, headers_of(request))


def visitor_of(request: Request) -> Visitor:
    """Return who stands before the desk."""
    agent = request.headers.get("user-agent", "")
    printable = "".join(one for one in agent if one.isprintable())[:200]
    return Visitor(address=address_of(request), agent=printable, request_id=request.scope["narthex.request_id"])


def home_of(request: Request, reception: Reception) -> str:
    """Return the address of our first page, as browsers reach it."""
    settings = reception.settings.oidc
    if settings is not None and settings.redirect_url is not None:
        scheme, host, *_ = urlsplit(settings.redirect_url)
        return f"{scheme}://{host}/"
    secure = is_secure(request.scope, headers_of(request))
    return f"{'https' if secure else 'http'}://{request.headers.get('host', '')}/"


def signed_in(request: Request) -> Guest:
    """Return who comes with a session.

    Raises:
        SignInRequired: Nobody does.
    """
    guest = request.scope.get("narthex.guest")
    if guest is None:
        raise SignInRequired("this is about whoever is signed in at the dashboard: sign in first")
    return cast("Guest", guest)


def let_in(request: Request, reception: Reception, opened: Opened, value: object) -> Response:
    """Answer with a new session in a cookie."""
    secure = is_secure(request.scope, headers_of(request))
    response = answered(value, headers={"cache-control": "no-store"})
    max_age_s = int(reception.settings.longest_s)
    response.headers.append("set-cookie", set_cookie(SESSION, opened.token, secure=secure, max_age_s=max_age_s))
    return response


def without_session(response: Response) -> Response:
    """Have the browser forget its session, under whichever name."""
    for secure in (True, False):
        response.headers.append("set-cookie", set_cookie(SESSION, "", secure=secure, max_age_s=0))
    return response
