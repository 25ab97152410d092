"""What probes are answered: without a key, and without waiting for anything."""

from __future__ import annotations

from typing import Final

import msgspec

from narthex.http.services import Services

PROBES: Final = frozenset({"/health", "/livez", "/readyz"})


def probe(path: str, services: Services) -> tuple[int, bytes]:
    """Return status and body of a probe."""
    stopping = services.doorkeeper.stopping
    state = "stopping" if stopping else "ok"
    match path:
        case "/health":
            return 200, msgspec.json.encode({"status": state, "version": services.version})
        case "/readyz":
            # Without the database it goes on with the keys it knows: no reason to send nobody here any more.
            database = services.office.state
            return 503 if stopping else 200, msgspec.json.encode({"status": state, "database": database})
        case _:
            return 200, msgspec.json.encode({"status": "ok"})
