"""An application's view of a gateway."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from narthex.testing import ScriptedUpstream
from narthex.testing.acts import Answer, Close, Reset, Stall, Wait, cut, cut_after, streamed, then, whole
from narthex.testing.callers import Ending, Question, ask
from narthex.testing.wall.asking import Wire
from narthex.testing.wires import (
    anthropic_answer,
    anthropic_error,
    anthropic_frame,
    anthropic_frames,
    openai_answer,
    openai_error,
    openai_frames,
    tool_call,
)

TEXT = "Καλημέρα and hello 🏛."


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    """Return something to ask."""
    with ScriptedUpstream(reply=TEXT) as running:
        yield running


def _question(wire: Wire = "openai", *, is_streamed: bool = True, offers_tool: bool = False) -> Question:
    return Question(wire=wire, model="m", prompt="Hi", is_streamed=is_streamed, offers_tool=offers_tool)


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_whole_answers_are_heard(upstream: ScriptedUpstream, wire: Wire, is_streamed: bool) -> None:
    """On both wires, whole and streamed, with the reason to finish in the same words."""
    heard = await ask(upstream.url, _question(wire, is_streamed=is_streamed), key="sk-1", deadline_s=5)
    assert (heard.ended, heard.status, heard.text, heard.finish) == ("whole", 200, TEXT, "stop")
    assert heard.first_s is not None
    sent = upstream.requests[-1]
    assert (sent.headers["authorization"], sent.headers["x-api-key"]) == ("Bearer sk-1", "sk-1")
    assert sent.json()["model"] == "m"


ERROR = b"data: %b\n\n" % openai_error("broken")


@pytest.mark.parametrize(
    ("wire", "answer", "ended"),
    [
        ("openai", whole(openai_error("no"), status=503), "refused"),
        ("openai", whole(b"<html>", status=502, content_type="text/html"), "refused"),
        ("openai", streamed(openai_frames(TEXT, finish=None, done=False)), "unfinished"),
        ("openai", streamed([*openai_frames(TEXT, finish=None, done=False), ERROR]), "error_event"),
        ("openai", cut_after(streamed(openai_frames(TEXT)), sends=3), "cut"),
        ("openai", cut_after(streamed(openai_frames(TEXT)), sends=3, by=Reset()), "cut"),
        ("openai", streamed([*openai_frames(TEXT)[:3], b"data: {nonsense\n\n", *openai_frames(TEXT)[3:]]), "malformed"),
        ("openai", whole(openai_answer(TEXT)), "malformed"),
        ("openai", whole(b"", status=204), "malformed"),
        ("openai", then(cut_after(streamed(openai_frames(TEXT)), sends=3, by=Wait(0)), Stall()), "hung"),
        ("openai", (Close(),), "unreachable"),
        ("anthropic", whole(anthropic_error("no"), status=529), "refused"),
        ("anthropic", streamed(anthropic_frames(TEXT, stop=None, done=False)), "unfinished"),
        (
            "anthropic",
            streamed([*anthropic_frames(TEXT)[:5], anthropic_frame("error", error={"type": "x", "message": "no"})]),
            "error_event",
        ),
        ("anthropic", cut_after(streamed(anthropic_frames(TEXT)), sends=6), "cut"),
    ],
)
async def test_endings_are_told_apart(upstream: ScriptedUpstream, wire: Wire, answer: Answer, ended: Ending) -> None:
    """Each way to end has its name, and what was said before is kept."""
    upstream.play(answer)
    heard = await ask(upstream.url, _question(wire), deadline_s=0.3)
    assert heard.ended == ended
    assert TEXT.startswith(heard.text)


async def test_whole_answers_are_judged_by_their_bytes(upstream: ScriptedUpstream) -> None:
    """A body that is cut, that is no JSON, or that has no reason to finish is none of them whole."""
    body = whole(openai_answer(TEXT))
    bodies = [cut(body, after_bytes=150), whole(b"{nonsense"), whole(openai_answer(TEXT, finish=None))]
    upstream.play(*bodies, whole(openai_error("a failure")))
    heard = [await ask(upstream.url, _question(is_streamed=False), deadline_s=5) for _ in range(4)]
    assert [one.ended for one in heard] == ["cut", "malformed", "unfinished", "error_event"]


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_calls_of_tools_are_heard(upstream: ScriptedUpstream, is_streamed: bool) -> None:
    """The same call reads the same on both wires, however its arguments are spaced or cut."""
    call, block = tool_call("look_up", {"place": "here"}), {"type": "tool_use", "id": "1", "name": "look_up"}
    inputs = {**block, "input": {"place": "here"}}
    if is_streamed:
        openai = streamed(openai_frames("", tool_calls=[call], finish="tool_calls"))
        claude = streamed(anthropic_frames(None, tools=[inputs], stop="tool_use"))
    else:
        openai = whole(openai_answer(None, tool_calls=[call], finish="tool_calls"))
        claude = whole(anthropic_answer(None, blocks=[inputs], stop="tool_use"))
    upstream.play(openai, claude)
    wires: tuple[Wire, Wire] = ("openai", "anthropic")
    for wire in wires:
        heard = await ask(upstream.url, _question(wire, is_streamed=is_streamed, offers_tool=True), deadline_s=5)
        assert (heard.text, heard.finish) == ('look_up({"place":"here"})', "tool_calls")
        assert "look_up" in json.dumps(upstream.requests[-1].json()["tools"])


async def test_nobody_there_is_told(upstream: ScriptedUpstream) -> None:
    """Where nothing listens there is no status."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        heard = await ask(f"http://127.0.0.1:{closed.getsockname()[1]}", _question(), deadline_s=5)
    assert (heard.ended, heard.status) == ("unreachable", None)
