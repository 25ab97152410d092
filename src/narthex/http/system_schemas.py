"""The schemas of what the API tells of the server itself: probes, and its status with its providers and their keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from narthex.http.schemas import COUNT, FLAG, NUMBER, TEXT, Json, complete, listed, nullable, one_of, ref, said

SYSTEM: Final[Mapping[str, Json]] = {
    "Probe": complete({"status": one_of("ok", "stopping"), "version": TEXT}, ("version",)),
    "SystemStatus": complete(
        {
            "object": {"const": "system.status"},
            "version": TEXT,
            "status": one_of("ok", "degraded", "stopping"),
            "started_at": said(NUMBER, "Unix time in seconds."),
            "uptime_s": NUMBER,
            "pid": {"type": "integer"},
            "python": TEXT,
            "platform": TEXT,
            "address": TEXT,
            "auth_required": FLAG,
            "default_model": TEXT,
            "data_dir": TEXT,
            "memory_bytes": COUNT,
            "requests": complete({"active": COUNT, "total": COUNT, "failed": COUNT}),
            "tokens": complete({"input": COUNT, "output": COUNT}),
            "providers": listed(ref("ProviderStatus")),
            "embedded": complete(
                {
                    "installed": FLAG,
                    "loaded": FLAG,
                    "model": nullable(TEXT),
                    "progress": nullable({**NUMBER, "minimum": 0, "maximum": 1}),
                    "detail": nullable(TEXT),
                }
            ),
        }
    ),
    "ProviderStatus": complete(
        {
            "name": TEXT,
            "kind": TEXT,
            "base_url": nullable(TEXT),
            "models": COUNT,
            "health": ref("Health"),
            "keys": said(listed(ref("KeyStatus")), "Empty for a provider with one key or none."),
        }
    ),
    "KeyStatus": complete(
        {
            "id": said(TEXT, "`key-1` is the first in the configuration."),
            "state": one_of("usable", "cooling", "retired", "probing"),
            "usable_in_s": said(NUMBER, "0 if it may be used now."),
        }
    ),
}
"""By their names in the document."""
