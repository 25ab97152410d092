"""The operations of signing in, in the OpenAPI document."""

from __future__ import annotations

from typing import Final, cast

from starlette.responses import Response

from narthex.http.operations import ANSWER_HEADERS, answers, get, json_body, query
from narthex.http.schemas import TEXT, Json, ref

_CSRF: Final[Json] = {
    "name": "x-narthex-csrf",
    "in": "header",
    "required": True,
    "description": "Anything: a page of another site cannot send it.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[!-~]+$"},
}
_COOKIE: Final[Json] = {
    **ANSWER_HEADERS,
    "set-cookie": {"description": "The session.", "schema": TEXT},
}
_SESSION: Final[list[Json]] = [{"session": []}]
_NOBODY: Final[list[Json]] = []
_ERRORS: Final = (400, 401, 403, 408, 409, 413, 429, 503)


def _post(
    name: str,
    summary: str,
    *,
    body: str = "",
    security: object = _SESSION,
    headers: Json = ANSWER_HEADERS,
    errors: tuple[int, ...] = _ERRORS,
) -> Json:
    extra: Json = {"parameters": [_CSRF], "security": security}
    if body:
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": ref(body)}}}
    told = answers(json_body(name), "Done.", headers=headers, errors=errors)
    return {"tags": ["Signing in"], "summary": summary, "openapi_extra": extra, "responses": told}


def _get(name: str, summary: str, *, security: object = _SESSION) -> Json:
    described = get(json_body(name), tag="Signing in", summary=summary, errors=(401, 403, 404, 503))
    return {**described, "openapi_extra": {"security": security}}


STATE: Final = _get("AuthState", "Tell who is signed in, and how one may sign in", security=_NOBODY)
PASSWORD: Final = _post(
    "AuthSession", "Sign in with a password", body="PasswordSignIn", security=_NOBODY, headers=_COOKIE
)
SECOND_FACTOR: Final = _post(
    "AuthSession",
    "Give the code that is asked for beside the password",
    body="SecondFactorSignIn",
    security=_NOBODY,
    headers=_COOKIE,
)
FIRST: Final = _post("AuthSession", "Make the first user, who owns the server", body="FirstUser", headers=_COOKIE)
cast("Json", FIRST["openapi_extra"]).pop("security")
LOOK_AT_INVITATION: Final = _post(
    "ShownInvitation",
    "Tell what an invitation is to",
    body="HeldInvitation",
    security=_NOBODY,
    errors=(400, 401, 403, 404, 408, 413, 429, 503),
)
ACCEPT_INVITATION: Final = _post(
    "AuthSession",
    "Come in by an invitation: with a password of one's own, or signed in",
    body="AcceptedInvitation",
    security=_NOBODY,
    headers=_COOKIE,
    errors=(400, 401, 403, 404, 408, 409, 413, 429, 503),
)
SIGN_OUT: Final = _post("AuthSession", "Sign out", headers=_COOKIE, errors=(401, 403, 503))

ACCOUNT: Final = _get("Account", "Tell what you sign in with")
NEW_PASSWORD: Final = _post(
    "AuthSession", "Change your password; every other session ends", body="PasswordChange", headers=_COOKIE
)
NEW_FACTOR: Final = _post("NewFactor", "Begin to set up an authenticator", body="PasswordProof")
CONFIRM_FACTOR: Final = _post("RecoveryCodes", "Have codes of it asked for from now on", body="CodeProof")
REMOVE_FACTOR: Final = _post("FactorRemoved", "Have no codes asked for any more", body="PasswordProof")
NEW_CODES: Final = _post("RecoveryCodes", "Make new recovery codes", body="PasswordProof")
SESSIONS: Final = _get("AuthSessions", "List where you are signed in")
END_SESSION: Final = _post("SessionEnded", "End one of your sessions", errors=(401, 403, 404, 503))


def _redirect(summary: str, *parameters: Json) -> Json:
    location = {"description": "Where to go.", "required": True, "schema": TEXT}
    told: dict[object, object] = {303: {"description": "Go there.", "headers": {**_COOKIE, "location": location}}}
    told.update(cast("dict[object, object]", answers({}, "", errors=(403, 503))))
    told.pop(200)
    extra = {"security": _NOBODY, "parameters": list(parameters)}
    described: Json = {"tags": ["Signing in"], "summary": summary, "openapi_extra": extra, "responses": told}
    return {**described, "status_code": 303, "response_class": Response}


OIDC_START: Final = _redirect(
    "Go to the provider of the single sign-on", query("return_to", TEXT, "The page of the dashboard to come back to.")
)
OIDC_CALLBACK: Final = _redirect(
    "Come back from the provider of the single sign-on",
    query("state", TEXT, "As it was sent there."),
    query("code", TEXT, "What the provider vouches with."),
    query("error", TEXT, "What it says instead."),
    query("iss", TEXT, "Who it says it is."),
)
