"""The schemas of what is asked over HTTP about sockets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from narthex.http.schemas import COUNT, TEXT, Json, complete, nullable, one_of, record, said
from narthex.wire.openai_realtime.shapes import MAX_OUTPUT_TOKENS

_SESSION: Final = record(
    {
        "type": {"const": "realtime"},
        "model": nullable(TEXT),
        "instructions": nullable(TEXT),
        "output_modalities": nullable({"type": "array", "items": {"const": "text"}, "minItems": 1, "maxItems": 1}),
        "max_output_tokens": {
            "anyOf": [{"enum": ["inf", None]}, {"type": "integer", "minimum": 1, "maximum": MAX_OUTPUT_TOKENS}]
        },
    },
    additionalProperties=False,
)
"""The most used of what OpenAI's sessions have; tools and the like are taken as its reference says."""

SOCKETS: Final[Mapping[str, Json]] = {
    "ClientSecretRequest": complete(
        {
            "expires_after": nullable(
                complete(
                    {
                        "anchor": one_of("created_at"),
                        "seconds": {"type": "integer", "minimum": 10, "maximum": 7_200},
                    },
                    ("anchor", "seconds"),
                )
            ),
            "session": said(nullable(_SESSION), "What every session that the key opens begins with."),
        },
        ("expires_after", "session"),
    ),
    "ClientSecret": complete(
        {
            "value": said(TEXT, "The key; it is not shown again."),
            "expires_at": said(COUNT, "Unix time in seconds, after which it opens nothing."),
            "session": record({"id": TEXT, "type": one_of("realtime"), "model": TEXT}, ("id", "type", "model")),
        }
    ),
}
