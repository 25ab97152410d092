"""The schemas of what the API tells of the server itself: probes, and its status with its providers and their keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from narthex.http.schemas import COUNT, FLAG, NUMBER, TEXT, Json, complete, listed, nullable, one_of, ref, said

_KEY: Final[Json] = {
    "id": said(TEXT, "`key-1` is the first in the configuration."),
    "state": said(
        one_of("usable", "cooling", "retired", "probing"),
        "The only key of a provider stays usable whatever the provider says of it; breakers leave the provider alone.",
    ),
    "reason": said(nullable(TEXT), "The class of failure that was last held against it."),
    "usable_in_s": said(nullable(NUMBER), "0 if it may be used now; null if a hand must bring it back."),
    "by_hand": said(FLAG, "Whether it was taken out of service by hand."),
    "ends": said(TEXT, "Its last four characters; empty for a short one."),
}

_STATE: Final[Json] = said(
    one_of("opening", "up", "down"), "The database; while it is down, keys that are known go on to be served."
)

SYSTEM: Final[Mapping[str, Json]] = {
    "Probe": complete(
        {"status": one_of("ok", "stopping"), "version": TEXT, "database": _STATE}, ("version", "database")
    ),
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
            "database": complete({"status": _STATE, "detail": said(TEXT, "What is wrong.")}),
            "redis": said(nullable(ref("RedisStatus")), "null where none is configured."),
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
    "RedisStatus": complete(
        {
            "status": one_of("connecting", "up", "down"),
            "address": said(TEXT, "Without user and password."),
            "for_s": said(NUMBER, "For how long it has stood so."),
            "detail": said(nullable(TEXT), "What is wrong."),
            "losses": said(COUNT, "How often the connection was lost."),
            "streams": said(ref("SharedStreams"), "How kept answers are shared."),
        }
    ),
    "SharedStreams": complete(
        {
            "node": said(TEXT, "Name of this process among all."),
            "status": one_of("connecting", "up", "down"),
            "behind_streams": said(COUNT, "Streams that are not wholly copied yet."),
            "behind_events": said(COUNT, "Events that are not copied yet."),
            "copied_events": COUNT,
            "followed": said(COUNT, "Streams of other processes that are read here."),
        }
    ),
    "ProviderStatus": complete(
        {
            "name": TEXT,
            "kind": TEXT,
            "base_url": nullable(TEXT),
            "models": COUNT,
            "health": ref("Health"),
            "keys": said(listed(ref("KeyStatus")), "Empty for a provider without a key."),
        }
    ),
    "KeyStatus": complete(_KEY),
    "ProviderKeyWish": complete({"state": one_of("retired", "usable")}),
    "ProviderKeys": complete({"object": {"const": "list"}, "data": listed(ref("ProviderKey"))}),
    "ProviderKey": complete({"object": {"const": "provider_key"}, "provider": TEXT, **_KEY}),
}
"""By their names in the document."""
