"""The page of errors: the tree, and every code with its status."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator

from narthex import errors
from scripts.pages.markdown import code, table

_SHAPES = """\
# Errors

Every failure has a status, a stable `code` for programs and a message for people, which says what was bad, what was expected and the remedy.
Never does a message hold a secret or a prompt.

On all routes but Anthropic's the body is OpenAI's, with two fields more that can be relied on, `code` and `request_id`:

```json
{"error": {"message": "…", "type": "not_found_error", "param": "model", "code": "model_not_found", "request_id": "req_…"}}
```

Under `/v1/messages` it is Anthropic's:

```json
{"type": "error", "error": {"type": "not_found_error", "message": "…"}, "request_id": "req_…"}
```

The request ID is also in the header `x-request-id` and in the request log.
When trying again makes sense, `retry-after` says in how many seconds.
A stream that had begun ends with an error event: `data: {"error": …}` in OpenAI's dialect, `event: error` in Anthropic's and ours.

## The tree

In Python these are the classes of `narthex.errors`; what both clients raise and what the gateway raises inside your process are the same.
"""

_FAILURES = """
## How a provider failed

Errors of a provider carry `failure`, one of these words; it is in the request log too.
"""


def codes() -> dict[str, type[errors.NarthexError]]:
    """Return every error that can be met, by its code; where classes share a code, the first that has it."""
    found: dict[str, type[errors.NarthexError]] = {}
    for _, value in inspect.getmembers(errors, inspect.isclass):
        if issubclass(value, errors.NarthexError) and value is not errors.NarthexError:
            best = found.get(value.code)
            if best is None or value.__mro__.index(errors.NarthexError) < best.__mro__.index(errors.NarthexError):
                found[value.code] = value
    return found


def page() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _SHAPES
    yield "```text"
    yield _tree()
    yield "```\n\n## Codes\n"
    yield from table(("Code", "Status", "Type", "Class", "Meaning"), _rows())
    yield _FAILURES
    yield ", ".join(code(word) for word in errors.Failure) + "."


def _tree() -> str:
    lines = inspect.cleandoc(errors.__doc__ or "").splitlines()
    drawn = [line for line in lines if line.startswith(("    ", "NarthexError"))]
    return textwrap.dedent("\n".join(drawn)).rstrip()


def _rows() -> Iterator[tuple[str, ...]]:
    for word, error in sorted(codes().items(), key=lambda row: (row[1].status, row[0])):
        meaning = inspect.cleandoc(error.__doc__ or "").partition("\n")[0]
        yield code(word), str(error.status), code(error.type), code(error.__name__), meaning
