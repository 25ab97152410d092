"""Values are held against schemas, which fetch nothing."""

from __future__ import annotations

import pytest

from narthex.types.json_schemas import compiled


def test_a_misfit_is_told_with_its_place() -> None:
    """A value that fits gives nothing; one that does not, the first thing that is wrong."""
    misfit = compiled({"properties": {"a": {"items": {"type": "integer"}}}})
    assert misfit({"a": [1]}) is None
    assert str(misfit({"a": [1, "x"]})).startswith("a.1: ")
    assert str(compiled({"type": "object"})(1)).startswith("the value: ")


@pytest.mark.parametrize(
    "schema", [{"type": "nonsense"}, {"$ref": "http://127.0.0.1:1/x"}, {"$ref": "file:///etc/passwd"}], ids=str
)
def test_what_is_no_schema_is_refused(schema: dict[str, object]) -> None:
    """A schema that is not valid, or that refers to an address or a file."""
    with pytest.raises(ValueError, match=r"\w"):
        compiled(schema)
