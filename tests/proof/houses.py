"""One server before two upstreams and a script, for the official SDKs to talk to.

Each `Far` is something behind the server that can say the same things: in OpenAI's words, in Anthropic's, or by script.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from narthex.testing.acts import Answer, streamed, whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import (
    anthropic_answer,
    anthropic_error,
    anthropic_frames,
    openai_answer,
    openai_error,
    openai_frames,
    tool_call,
)
from tests.gateways import KEY, RunningGateway, running

Json = dict[str, object]

PROVIDER_KEY: Final = "sk-provider-key-never-shown"
"""The key that the server holds for its providers."""

CALLS: Final[tuple[tuple[str, Json], ...]] = (("weather", {"city": "Pará"}), ("clock", {"zone": "UTC", "exact": True}))
"""Two tool calls made at once."""

PIXEL: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""The smallest picture there is, as PNG in base64."""

SCRIPT: Final[Json] = {
    "models": ["m"],
    "reply": "Hello from the script.",
    "replies": [
        {"when": {"after_tool": True}, "reply": "It is warm."},
        {"when": {"contains": "use both tools"}, "tool_call": [{"name": name, "arguments": a} for name, a in CALLS]},
        {"when": {"contains": "think first"}, "reasoning": "Let me see.", "reply": "Done."},
    ],
    "directives": True,
}


@dataclass(frozen=True, slots=True)
class Far:
    """What stands behind the server."""

    name: str
    """`openai`, `anthropic` or `scripted`."""
    model: str
    """On our wire."""
    upstream: ScriptedUpstream

    @property
    def on_wire(self) -> str:
        """The provider's own name of the model."""
        return self.model.partition("/")[2]

    def asked(self) -> Json:
        """Return the last request that the upstream received."""
        return self.upstream.requests[-1].json()

    def says(self, text: str = "Hello from the script.", *, stream: bool = False, delay_s: float = 0.0) -> None:
        """Have the upstream answer this text next."""
        frames = openai_frames(text) if self.name == "openai" else anthropic_frames(text)
        answer = openai_answer(text) if self.name == "openai" else anthropic_answer(text)
        self._play(streamed(frames, delay_s=delay_s) if stream else whole(answer))

    def calls_tools(self, *, stream: bool = False) -> None:
        """Have the upstream call both tools next."""
        blocks = [tool_use(number, name, given) for number, (name, given) in enumerate(CALLS)]
        calls = [tool_call(name, given, f"call_{number}") for number, (name, given) in enumerate(CALLS)]
        if self.name == "openai":
            frames = openai_frames("", finish="tool_calls", tool_calls=calls)
            answer = openai_answer(None, finish="tool_calls", tool_calls=calls)
        else:
            frames = anthropic_frames(None, stop="tool_use", tools=blocks)
            answer = anthropic_answer(None, stop="tool_use", blocks=blocks)
        self._play(streamed(split_up(frames)) if stream else whole(answer))

    def fails(self, status: int, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        """Have the upstream answer an error next."""
        kind = "invalid_request_error" if status < 500 else "api_error"
        body = (openai_error if self.name == "openai" else anthropic_error)(message, kind=kind)
        self._play(whole(body, status=status, headers=headers))

    def frames(self, text: str) -> list[bytes]:
        """Return the frames of a streamed text."""
        return openai_frames(text) if self.name == "openai" else anthropic_frames(text)

    def play(self, answer: Answer) -> None:
        """Have the upstream do this next."""
        assert self.name != "scripted"
        self.upstream.play(answer)

    def _play(self, answer: Answer) -> None:
        if self.name != "scripted":
            self.upstream.play(answer)


def tool_use(number: int, name: str, given: Mapping[str, object]) -> Json:
    """Write a tool call in Anthropic's words."""
    return {"type": "tool_use", "id": f"call_{number}", "name": name, "input": dict(given)}


def split_up(frames: Sequence[bytes]) -> list[bytes]:
    """Cut a stream into pieces that respect no frame and no character."""
    data = b"".join(frames)
    return [data[start : start + 37] for start in range(0, len(data), 37)]


def pieces_of(body: object, *path: str | int) -> object:
    """Follow a path into a JSON value."""
    for step in path:
        body = cast("Mapping[str | int, object]", body)[step]
    return body


@contextmanager
def house(data_dir: Path, upstream: ScriptedUpstream, **changes: object) -> Iterator[RunningGateway]:
    """Run the server before this upstream, which speaks both wires, and a script."""
    providers: Json = {
        "oai": {"kind": "openai", "base_url": f"{upstream.url}/v1", "api_key": PROVIDER_KEY},
        "ant": {"kind": "anthropic", "base_url": upstream.url, "api_key": PROVIDER_KEY},
        "demo": {"kind": "scripted", "script": SCRIPT},
    }
    settings: Json = {
        "keys": [{"name": "test", "key": KEY}],
        "providers": providers,
        "aliases": {"fast": "oai/gpt-test"},
        "default_model": "demo/m",
    }
    with running(data_dir, **{**settings, **changes}) as gateway:
        yield gateway


def log_lines(gateway: RunningGateway) -> list[Json]:
    """Return the request log of a server that has stopped."""
    text = (gateway.settings.data_dir / "logs" / "requests.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
