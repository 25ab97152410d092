"""The engine underneath: its errors as ours."""

from __future__ import annotations

import pytest

from narthex.errors import (
    ContextTooLong,
    InternalError,
    InvalidRequest,
    ModelUnavailable,
    NarthexError,
    Overloaded,
)
from narthex.providers.embedded import native
from narthex.providers.embedded.native import check_machine, error_of


@pytest.mark.parametrize(
    ("reported", "error", "message"),
    [
        (
            {"code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 5031, "n_ctx": 4096, "message": "m"},
            ContextTooLong,
            r"4096 tokens.*5031 tokens.*embedded\.context_tokens",
        ),
        (
            {"code": 500, "message": "input (602 tokens) is too large to process. increase the physical batch size"},
            ContextTooLong,
            "512 tokens.*602 tokens; shorten it$",
        ),
        ({"code": 400, "message": "Failed to initialize samplers: failed to parse grammar"}, InvalidRequest, "simpler"),
        (
            {"code": 400, "message": "x. JSON schema error at #/a: unrecognized type nope"},
            InvalidRequest,
            "#/a: unrecognized type nope",
        ),
        ({"code": 400, "message": "bad field"}, InvalidRequest, "bad field"),
        ({"code": 503, "message": "Loading model"}, Overloaded, "again"),
        ({"code": 500, "message": "boom"}, InternalError, "boom"),
        ({}, InternalError, "no reason"),
    ],
)
def test_errors_have_our_types(reported: dict[str, object], error: type[NarthexError], message: str) -> None:
    """By code and type where the engine gives one; the message says what to do."""
    made = error_of(reported)
    assert type(made) is error
    with pytest.raises(error, match=message):
        raise made


def test_a_processor_that_will_not_do_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than end without a word, the engine is not started."""
    monkeypatch.setattr(native, "missing_instructions", lambda: ("avx2",))
    with pytest.raises(ModelUnavailable, match=r"AVX2.*embedded\.enabled"):
        check_machine()
    monkeypatch.setattr(native, "missing_instructions", lambda: ())
    check_machine()
