"""A streamed response in the background is the server's, under its own ID."""

from __future__ import annotations

import pytest

from narthex.pipeline.inbound import response_id_of
from narthex.pipeline.stages.detach import Detach
from narthex.types.dialects import Dialect
from tests.pipeline.doubles import exchange

HEADERS = {b"x-a": b"1", b"x-narthex-stream-id": b"chosen-by-its-caller"}


def test_it_is_kept_whatever_its_headers_say() -> None:
    """Its stream has the ID of the response, and goes on without its caller."""
    body = {"stream": True, "background": True}
    call = exchange(body, dialect=Dialect.OPENAI_RESPONSES, headers=HEADERS)
    call.read_head()
    Detach()(call)
    assert call.headers == {
        b"x-a": b"1",
        b"x-narthex-stream-id": response_id_of(call).encode(),
        b"x-narthex-on-disconnect": b"detach",
    }
    assert HEADERS[b"x-narthex-stream-id"] == b"chosen-by-its-caller"


@pytest.mark.parametrize(
    ("body", "dialect"),
    [
        ({"stream": True}, Dialect.OPENAI_RESPONSES),
        ({"background": True}, Dialect.OPENAI_RESPONSES),
        ({"stream": True, "background": True}, Dialect.OPENAI_CHAT),
    ],
)
def test_other_calls_are_left_alone(body: dict[str, object], dialect: Dialect) -> None:
    """Whoever answers them."""
    call = exchange(body, dialect=dialect, headers=HEADERS)
    call.read_head()
    Detach()(call)
    assert call.headers is HEADERS
