"""The embedded models: whether their weights are there, and are what they should be."""

from __future__ import annotations

from collections.abc import Iterator

from narthex.cli.health.findings import Finding, bad, good, poor
from narthex.cli.weights import INSTALLABLE, MODELS, weights_state
from narthex.config.settings import Settings
from narthex.providers.embedded.weights import State


def weights(settings: Settings) -> Iterator[Finding]:
    """Look at the weights of each embedded model."""
    if not settings.embedded.enabled:
        yield good("Models", "the embedded ones are switched off")
        return
    for name in INSTALLABLE:
        state = weights_state(name, settings)
        if state != "missing" or name in MODELS:
            yield _judged(name, state)
    if settings.embedded.chat_model is not None:
        yield good("Models", f"chat is served from {settings.embedded.chat_model}")


def _judged(name: str, state: State) -> Finding:
    title = f"Model local/{name}"
    match state:
        case "ok":
            return good(title, "installed, and its hash is right")
        case "missing":
            return poor(title, "not installed", f"narthex models install {name}")
        case "damaged":
            return bad(title, "its file is not what it should be", f"narthex models install {name}")
