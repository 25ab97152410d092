"""The page of the request log: every field of its lines, with the meaning that stands below it in the source."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from itertools import pairwise

import msgspec

from narthex.telemetry import request_log
from narthex.telemetry.request_log import AttemptLine, RequestLine, RouteLine
from scripts.pages.markdown import code, table

_HEAD = """\
# Request log

Each model call leaves one line of JSON in `logs/requests.jsonl` of the data folder, written when the call has ended.
It never holds a prompt, an answer or a key.
Fields that have their usual value, which is given below, are left out.

The lines of the calls that were saved from a failure are those with `"rescued"` in them.
"""

_SECTIONS: tuple[tuple[type[msgspec.Struct], str], ...] = (
    (RequestLine, "\n## Fields\n"),
    (AttemptLine, "\n## Attempts\n\nEach of `attempts` has these:\n"),
    (RouteLine, "\n## Route\n\nThe `route` has these:\n"),
)


def documented(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Return the fields of a line and what they mean; a field of which nothing is said has an empty meaning."""
    tree = ast.parse(inspect.getsource(request_log))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == struct.__name__)
    meanings = dict.fromkeys(struct.__struct_fields__, "")
    for field, text in pairwise(body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(meaning))):
                meanings[name] = " ".join(meaning.split())
            case _:
                pass
    return meanings


def page() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD.rstrip("\n")
    for struct, title in _SECTIONS:
        yield title
        usual = dict(zip(reversed(struct.__struct_fields__), reversed(struct.__struct_defaults__), strict=False))
        rows = ((code(name), _default(usual, name), meaning) for name, meaning in documented(struct).items())
        yield from table(("Field", "Usually", "Meaning"), rows)


def _default(usual: dict[str, object], name: str) -> str:
    return code(msgspec.json.encode(usual[name]).decode()) if name in usual else "always written"
