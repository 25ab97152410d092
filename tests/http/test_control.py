"""The toolkit of the control API."""

from __future__ import annotations

import msgspec
import pytest
from fastapi import Request
from starlette.types import Message

from narthex.errors import InvalidRequest
from narthex.http.control import answered, flag_of, listed, page_of, read, version_of


def request(*, query: str = "", body: bytes = b"", headers: dict[str, str] | None = None) -> Request:
    """Return a request."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": raw}
    return Request(scope, receive)


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    name: str


@pytest.mark.parametrize(
    ("body", "param"), [(b'{"name": 1}', "name"), (b'{"name": "a", "x": 1}', None), (b"{", None), (b'"\xff"', None)]
)
async def test_a_body_is_of_its_shape(body: bytes, param: str | None) -> None:
    """Or the field at fault is named."""
    assert (await read(request(body=b'{"name": "a"}'), _Body)).name == "a"
    with pytest.raises(InvalidRequest) as caught:
        await read(request(body=body), _Body)
    assert caught.value.param == param
    with pytest.raises(InvalidRequest, match="there is no body"):
        await read(request(), _Body)


def test_a_page_has_its_limit() -> None:
    """From 1 to 100, 20 if none is said."""
    assert page_of(request()) == (20, None)
    assert page_of(request(query="limit=100&after=x")) == (100, "x")
    for wrong in ("0", "101", "-1", "a", "٣", ""):
        with pytest.raises(InvalidRequest):
            page_of(request(query=f"limit={wrong}"))


def test_a_flag_is_true_or_false() -> None:
    """Or is not given."""
    assert [flag_of(request(query=said), "x") for said in ("", "x=true", "x=false")] == [None, True, False]
    with pytest.raises(InvalidRequest):
        flag_of(request(query="x=1"), "x")


def test_a_version_is_the_etag_that_was_read() -> None:
    """In its quotes, weak or not; `*` is any."""
    said = ['"3"', 'W/"3"', "*"]
    assert [version_of(request(headers={"if-match": one})) for one in said] == [3, 3, None]
    assert version_of(request()) is None
    for wrong in ('"a"', "3", '"3', ""):
        with pytest.raises(InvalidRequest):
            version_of(request(headers={"if-match": wrong}))


def test_a_version_is_known_by_the_tag_of_an_answer() -> None:
    """What stands behind the version, and that an answer was encoded on its way, does not matter."""
    for tag in ('"3-0123456789abcdef01234567"', 'W/"3-0123456789abcdef01234567"'):
        assert version_of(request(headers={"if-match": tag})) == 3


def test_answers_tell_their_version_and_their_next() -> None:
    """One in its ETag, the other in the list."""
    assert answered({}, version=3).headers["etag"] == '"3"'
    assert "etag" not in answered({}).headers
    assert listed([1], "x", str).body == b'{"object":"list","data":["1"],"has_more":true,"next":"x"}'
    assert listed([1], None, str).body == b'{"object":"list","data":["1"],"has_more":false,"next":null}'
