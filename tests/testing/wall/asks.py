"""Requests as the wall sees them, for its tests."""

from __future__ import annotations

from narthex.testing.wall.asking import Asked, Tool, Wire

WEATHER = Tool(name="weather", schema={"properties": {"city": {"type": "string"}, "days": {"type": "integer"}}})


def asked(
    prompt: str = "Hi",
    *,
    wire: Wire = "openai",
    is_streamed: bool = False,
    wants_usage: bool = False,
    begun: str = "",
    before: tuple[str, str] | None = None,
    tools: tuple[Tool, ...] = (),
) -> Asked:
    """Return a request."""
    return Asked(
        wire=wire,
        model="m",
        is_streamed=is_streamed,
        wants_usage=wants_usage,
        prompt=prompt,
        opening=prompt,
        begun=begun,
        before=before,
        tools=tools,
    )
