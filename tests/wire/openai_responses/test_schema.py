"""The shapes read here, against those of the vendor's own SDK."""

from __future__ import annotations

from openai.types.responses import Response, ResponseUsage
from openai.types.responses.response_create_params import ResponseCreateParamsBase

from narthex.wire.openai_responses.schema import AnswerBody, RequestBody, UsageBody


def test_fields_are_spelled_as_the_vendor_spells_them() -> None:
    """Each field read of requests, answers and usage exists in the official SDK."""
    assert set(RequestBody.__struct_fields__) - {"stream"} <= set(ResponseCreateParamsBase.__annotations__)
    assert set(AnswerBody.__struct_fields__) <= set(Response.model_fields)
    assert set(UsageBody.__struct_fields__) <= set(ResponseUsage.model_fields)
