"""The toolkit of the control API: bodies, pages, versions, and answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Final, TypeVar

import msgspec
from fastapi import Request
from starlette.responses import Response

from narthex.errors import InvalidRequest, NotFound
from narthex.http.bodies import read_body
from narthex.tenancy.paging import Page

MAX_LISTED: Final = 100
USUAL_LISTED: Final = 20

T = TypeVar("T")
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern="^[!-~]+$")]
"""An ID in a body."""
_TAG: Final = re.compile(r'(?:W/)?"([0-9]{1,9})(?:-[0-9a-f]{24})?"')
_encode = msgspec.json.Encoder().encode


async def read(request: Request, kind: type[T]) -> T:
    """Return the body of a request.

    Raises:
        InvalidRequest: It is no JSON, or not of this shape; `param` names the field.
    """
    body = await read_body(request)
    if not body:
        raise InvalidRequest("there is no body; send a JSON object, `{}` at the least")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise InvalidRequest(f"the body is not valid: {message}", param=path.strip(".`") or None) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error


def page_of(request: Request) -> Page:
    """Return which part of a list is asked for, by `limit` and `after` in the query.

    Raises:
        InvalidRequest: The limit is no number from 1 to 100.
        NotFound: A filter is a text that nothing can have.
    """
    if "\0" in "".join(request.query_params.values()):
        # No database has it in a text.
        raise NotFound
    said = request.query_params.get("limit", str(USUAL_LISTED))
    if not (said.isascii() and said.isdecimal() and 1 <= int(said[:9]) <= MAX_LISTED):
        raise InvalidRequest(f"limit: give a whole number from 1 to {MAX_LISTED}", param="limit")
    return Page(limit=int(said), after=request.query_params.get("after"))


def flag_of(request: Request, name: str) -> bool | None:
    """Return a filter that is `true` or `false`; None if it is not given.

    Raises:
        InvalidRequest: It is something else.
    """
    said = request.query_params.get(name)
    if said is None:
        return None
    if said not in {"true", "false"}:
        raise InvalidRequest(f"{name}: {said[:50]!r} is neither 'true' nor 'false'", param=name)
    return said == "true"


def version_of(request: Request) -> int | None:
    """Return the version that `If-Match` names; None if any will do.

    Raises:
        InvalidRequest: It is no version.
    """
    said = request.headers.get("if-match")
    if said is None or said.strip() == "*":
        return None
    tag = _TAG.fullmatch(said.strip())
    if tag is None:
        raise InvalidRequest('If-Match: send the `ETag` of what you have read, such as "3", or *', param="if-match")
    return int(tag[1])


def answered(
    value: object, *, version: int | None = None, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with JSON; of what has a version that is the ETag."""
    told = dict(headers or {})
    if version is not None:
        told["etag"] = f'"{version}"'
    return Response(_encode(value), status_code=status, media_type="application/json", headers=told)


def listed(items: list[T], after: str | None, tell: Callable[[T], object]) -> Response:
    """Answer with a part of a list; `after` is where the next part begins."""
    data = [tell(one) for one in items]
    return answered({"object": "list", "data": data, "has_more": after is not None, "next": after})
