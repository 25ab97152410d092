"""JSON schemas, made ready to hold values against; nothing that they refer to is fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn

import jsonschema_rs

Misfit = Callable[[object], str | None]
"""Returns what is wrong with a value; None if nothing is."""


def compiled(schema: Mapping[str, object]) -> Misfit:
    """Return what tells whether a value fits a schema.

    Raises:
        ValueError: The schema itself is not valid.
    """
    try:
        validator = jsonschema_rs.validator_for(dict(schema), retriever=_refuse)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        raise ValueError(str(error).partition("\n")[0]) from error

    def misfit(value: object) -> str | None:
        for problem in validator.iter_errors(value):
            path = ".".join(str(part) for part in problem.instance_path)
            return f"{path or 'the value'}: {problem.message}"
        return None

    return misfit


def _refuse(uri: str) -> NoReturn:
    """Fetch nothing: a caller's schema may name any address that this server can reach, and any file on it."""
    raise ValueError(f"references must stand inside the schema, not at {uri[:100]!r}")
