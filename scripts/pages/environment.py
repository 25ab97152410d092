"""The page of environment variables: what clients read, and which variables make a provider available."""

from __future__ import annotations

from collections.abc import Iterator

from narthex.config.environment import OTHER_NAMES
from narthex.types.vendors import VENDORS, Vendor
from scripts.pages.markdown import code, table

_HEAD = """\
# Environment

Every setting has a variable of its own, `NARTHEX_SECTION__KEY`: [Settings](settings.md) names each.
The variables on this page are the others.
"""

_PROVIDERS = """
## Providers

A key in one of these variables makes that provider available, with no configuration; `discovery.environment = false` turns this off.
Where a vendor's own SDK can be sent to another address by a variable, that variable is heeded too.
A local Ollama needs none: it is found by its port, and `OLLAMA_HOST` says where else it listens.
"""


def page() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    yield "## The server and its clients\n"
    yield from table(("Variable", "Meaning"), ((code(name), _sentence(text)) for name, text in OTHER_NAMES.items()))
    yield _PROVIDERS
    head = ("Provider", "Models", "Key", "Address", "Default address")
    yield from table(head, (_row(vendor) for vendor in VENDORS.values()))


def _row(vendor: Vendor) -> tuple[str, ...]:
    keys = ", ".join(map(code, vendor.key_variables)) or "none needed"
    address = code(vendor.base_url_variable or "")
    return f"[{vendor.title}]({vendor.docs_url})", code(f"{vendor.name}/…"), keys, address, code(vendor.base_url)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
