"""The options of WebSockets."""

from __future__ import annotations

from pydantic import Field

from narthex.config.sections import Seconds, Section


class SocketSettings(Section):
    """WebSockets: how many there may be, and what each may do."""

    enabled: bool = Field(default=True, description="Whether `/v1/realtime` and `/v1/streams/ws` can be opened.")
    maximum: int = Field(default=10_000, ge=1, description="Sockets at once; more are answered 503.")
    per_key: int = Field(default=1_000, ge=1, description="Sockets at once with one key; more are answered 429.")
    max_message_bytes: int = Field(
        default=1_048_576, ge=1_024, description="Largest message of a client, in bytes; a larger closes with 1009."
    )
    messages_per_s: float = Field(
        default=100.0,
        gt=0,
        le=100_000,
        description="Messages of a client per second, twice as many at once; more close with 4429.",
    )
    ping_s: Seconds = Field(
        default=20.0, description="Between two pings, in seconds; no sign of life until the next closes with 4408."
    )
    max_outbound_bytes: int = Field(
        default=1_048_576,
        ge=65_536,
        description="Most that waits to be taken by a client, in bytes; more closes with 1013.",
    )
    max_conversation_bytes: int = Field(
        default=4_194_304, ge=1_024, description="Most that a realtime session holds of its conversation, in bytes."
    )
    max_ephemeral_keys: int = Field(default=10_000, ge=1, description="Ephemeral keys at once; more are answered 503.")
