"""Tests of several requests in one body."""

from __future__ import annotations

import json

import pytest

from narthex.errors import InvalidRequest
from narthex.pipeline.merge_requests import merged_exchange
from narthex.tenancy.keys import LOCAL

ONE = {"model": "a/x", "messages": [{"role": "user", "content": "hi"}]}


def test_a_body_becomes_one_call() -> None:
    """Its parts keep their own bodies; the call itself is streamed and named after all of them."""
    other = ONE | {"model": "b/y", "temperature": 1}
    exchange = merged_exchange(json.dumps({"requests": [ONE, other], "mode": "race"}).encode(), {}, LOCAL)
    assert exchange.streaming
    assert exchange.model_asked == "merge:a/x,b/y"
    assert exchange.merger is not None
    assert exchange.merger.wrapped
    assert exchange.merger.sources == ("a/x", "b/y")
    assert [json.loads(body) for body in exchange.merger.bodies] == [ONE, other]
    assert exchange.merger.requests[1].temperature == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"[]", None),
        (json.dumps({"requests": [ONE]}).encode(), "requests"),
        (json.dumps({"requests": [ONE] * 9}).encode(), "requests"),
        (json.dumps({"requests": [ONE, ONE], "mode": "vote"}).encode(), "mode"),
        (json.dumps({"requests": [ONE, ONE], "more": 1}).encode(), None),
        (json.dumps({"requests": [ONE, {"model": "b/y"}]}).encode(), "requests.1"),
        (json.dumps({"requests": [ONE, 7]}).encode(), "requests.1"),
    ],
)
def test_bad_bodies(body: bytes, param: str | None) -> None:
    """Each is refused with the field at fault, where there is one."""
    with pytest.raises(InvalidRequest) as error:
        merged_exchange(body, {}, LOCAL)
    assert (error.value.param or "").startswith(param or "")
