"""The operations of usage, ledger and prices."""

from __future__ import annotations

from typing import cast

from narthex.http import usage_documents as documents
from narthex.http.routes.usage import FILTERS
from tests.http.doors import Json


def test_every_filter_is_described_somewhere() -> None:
    """So that whoever reads the document knows of it."""
    parameters = (
        cast("list[Json]", cast("Json", one["openapi_extra"])["parameters"])
        for one in (documents.USAGE, documents.ENTRIES, documents.EXPORT)
    )
    named = {str(one["name"]) for found in parameters for one in found}
    assert set(FILTERS) - named <= {"model_asked"}
