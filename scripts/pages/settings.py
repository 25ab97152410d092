"""The page of settings: the one that the configuration itself writes."""

from __future__ import annotations

from narthex.config.schema import reference_markdown


def page() -> str:
    """Return the page."""
    return reference_markdown()
