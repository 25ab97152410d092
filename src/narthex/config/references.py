"""References in secrets: `${NAME}`, `${NAME:-default}` and `file:/path`, resolved when the settings are built."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_FILE_BYTES = 65_536


class UnresolvedReference(Exception):
    """A reference leads nowhere; the message says which, and the remedy, never a value."""


def resolve(text: str, *, environ: Mapping[str, str], directory: Path) -> str:
    """Return the text with its references replaced; `$${` stands for a plain `${`.

    Args:
        text: A whole `file:PATH`, or any text with `${NAME}` and `${NAME:-default}` in it.
        environ: Where names are looked up; an empty variable counts as not set.
        directory: Where relative paths begin.

    Raises:
        UnresolvedReference: A variable is not set and has no default, or a file cannot be read.
    """
    if text.startswith("file:"):
        return _file(text.removeprefix("file:"), directory)
    return _REFERENCE.sub(lambda found: _variable(found, environ), text)


def _variable(found: re.Match[str], environ: Mapping[str, str]) -> str:
    if found.group() == "$${":
        return "${"
    name, separator, default = str(found[1]).partition(":-")
    if not found.group().endswith("}") or not _NAME.fullmatch(name):
        raise UnresolvedReference(
            "a reference is written `${NAME}` or `${NAME:-default}`; for a plain `${` write `$${`"
        )
    value = environ.get(name, "")
    if value or separator:
        return value or default
    raise UnresolvedReference(f"the environment variable {name} is not set; set it, or write `${{{name}:-default}}`")


def _file(name: str, directory: Path) -> str:
    path = directory / Path(name).expanduser()
    try:
        data = path.read_bytes()[: _MAX_FILE_BYTES + 1]
        if len(data) > _MAX_FILE_BYTES:
            raise UnresolvedReference(
                f"the file {name} is larger than {_MAX_FILE_BYTES} bytes; name one with a secret only"
            )
        return data.decode().rstrip("\r\n")
    except OSError as error:
        reason = (error.strerror or "no such file").lower()
        raise UnresolvedReference(
            f"the file {name} cannot be read: {reason}; mend the path or its permissions"
        ) from error
    except UnicodeDecodeError as error:
        raise UnresolvedReference(f"the file {name} is not UTF-8 text") from error
