"""Through the front door: how a stream went, and recordings, which nobody but their owner finds."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest

from narthex.http.routes.recordings import _contents
from narthex.testing.acts import Stall, cut_after, streamed
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_frames
from tests.gateways import KEY, RunningGateway, recovering, running
from tests.http.routes.test_streams import ASKED, CHAT, FRAMES, OTHER_KEY, ask, begin, call, report, wait_for

NAME = "answer-1"


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """Open a provider."""
    with ScriptedUpstream() as opened:
        yield opened


def settings(upstream: ScriptedUpstream, **streams: object) -> dict[str, object]:
    """Return the settings of a server before it, with keys of two owners."""
    return {
        "keys": [{"name": "test", "key": KEY, "tenant": "acme"}, {"name": "other", "key": OTHER_KEY}],
        "providers": {"up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"]}},
        "streams": {"keep_s": 60, **streams},
    }


@pytest.fixture
def gateway(upstream: ScriptedUpstream, tmp_path: Path) -> Iterator[RunningGateway]:
    """Run a server."""
    with running(tmp_path, **settings(upstream)) as one:
        yield one


def listed(gateway: RunningGateway, key: str = KEY) -> list[dict[str, object]]:
    """Return the recordings of a key's owner."""
    return cast("list[dict[str, object]]", call(gateway, "GET", "/v1/recordings", key=key).json()["data"])


def same(first: bytes, name: str, second: bytes, other: str) -> bool:
    """Tell whether two streams differ in their names alone."""
    return re.sub(rb"(?m)^id: %b:" % name.encode(), b"id: %b:" % other.encode(), first) == second


def test_what_is_recorded_is_played_byte_by_byte(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """Asked for with the call; the replay is a stream of its own, which is read on like any other."""
    upstream.play(streamed(FRAMES))
    answer = ask(gateway, x_narthex_record="on", x_narthex_stream_id=NAME)
    (one,) = listed(gateway)
    assert (one["id"], one["status"], one["last_seq"]) == (NAME, "whole", len(FRAMES))
    replay = call(gateway, "GET", f"/v1/recordings/{NAME}/replay?speed=max")
    name = replay.headers["x-narthex-stream-id"]
    assert same(answer.content, NAME, replay.content, name)
    again = call(gateway, "GET", f"/v1/recordings/{NAME}/replay", headers={"last-event-id": f"{name}:10"})
    assert again.headers["x-narthex-stream-id"] == name
    assert replay.content.endswith(again.content)
    assert again.content.startswith(b"id: %b:11\n" % name.encode())
    part = call(gateway, "GET", f"/v1/recordings/{NAME}/replay?after=10&speed=0")
    assert part.headers["x-narthex-stream-id"] != name
    assert same(again.content, name, part.content, part.headers["x-narthex-stream-id"])
    told = report(gateway, name)
    assert (told["status"], told["replay_of"]) == ("done", NAME)
    assert told["usage"] == report(gateway, NAME)["usage"]
    assert len(upstream.requests) == 1


def test_a_kept_stream_is_recorded_at_any_time(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """While it goes on and afterwards, and downloaded with its end."""
    upstream.play(cut_after(streamed(FRAMES), sends=11, by=Stall()))
    connection, _ = begin(gateway, NAME)
    made = call(gateway, "POST", f"/v1/streams/{NAME}/record").json()
    assert (made["status"], made["object"]) == ("recording", "recording")
    connection.close()
    wait_for(lambda: listed(gateway)[0]["status"] == "whole")
    file = call(gateway, "GET", f"/v1/recordings/{NAME}")
    assert file.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in file.text.splitlines()]
    assert (lines[0]["owner"], lines[0]["first_seq"]) == ("tenant:acme", 1)
    assert [line["seq"] for line in lines[1:-1]] == list(range(1, len(lines) - 1))
    assert (lines[-1]["end"]["whole"], lines[-1]["end"]["report"]["status"]) == (True, "cancelled")
    replay = call(gateway, "GET", f"/v1/recordings/{NAME}/replay?speed=0")
    assert '"code":"cancelled"' in replay.text
    assert replay.text.count('"code":"cancelled"') == 1
    assert report(gateway, replay.headers["x-narthex-stream-id"])["status"] == "cancelled"


def test_nobody_elses_is_found(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """On no route, and under no name that leads elsewhere."""
    upstream.play(streamed(FRAMES))
    ask(gateway, x_narthex_record="on", x_narthex_stream_id=NAME)
    routes = [
        ("GET", f"/v1/recordings/{NAME}"),
        ("GET", f"/v1/recordings/{NAME}/replay"),
        ("DELETE", f"/v1/recordings/{NAME}"),
        ("GET", f"/v1/streams/{NAME}/timeline"),
        ("POST", f"/v1/streams/{NAME}/record"),
    ]
    for method, path in routes:
        refused = call(gateway, method, path, key=OTHER_KEY)
        assert refused.status_code == 404, path
        assert refused.json()["error"]["code"] == f"{path.split('/')[2].removesuffix('s')}_not_found"
    assert (listed(gateway, OTHER_KEY), len(listed(gateway))) == ([], 1)
    for name in ("..", "%2e%2e", "..%2f..%2fnarthex", "%00", "answer-1.jsonl", "a" * 300, "%2A"):
        for method in ("GET", "DELETE"):
            answer = call(gateway, method, f"/v1/recordings/{name}")
            assert answer.status_code in {404, 405}, name
    replay = call(gateway, "GET", f"/v1/recordings/{NAME}/replay?speed=0")
    stolen = {"last-event-id": f"{replay.headers['x-narthex-stream-id']}:1"}
    assert call(gateway, "GET", f"/v1/recordings/{NAME}/replay", key=OTHER_KEY, headers=stolen).status_code == 404


def test_a_deleted_one_is_gone(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """Its stream stays as long as it would have."""
    upstream.play(streamed(FRAMES))
    ask(gateway, x_narthex_record="on", x_narthex_stream_id=NAME)
    assert call(gateway, "DELETE", f"/v1/recordings/{NAME}").json()["deleted"] is True
    assert call(gateway, "DELETE", f"/v1/recordings/{NAME}").status_code == 404
    assert (listed(gateway), report(gateway, NAME)["status"]) == ([], "done")


def test_a_replay_is_paused_and_cancelled(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """Like the stream that it was."""
    upstream.play(streamed(FRAMES, delay_s=0.02))
    ask(gateway, x_narthex_record="on", x_narthex_stream_id=NAME)
    url = f"{gateway.url}/v1/recordings/{NAME}/replay?speed=0.01"
    with httpx.stream("GET", url, headers={"authorization": f"Bearer {KEY}"}, timeout=20) as replay:
        name = replay.headers["x-narthex-stream-id"]
        assert call(gateway, "POST", f"/v1/streams/{name}/pause").json()["status"] == "paused"
        assert call(gateway, "POST", f"/v1/streams/{name}/resume").json()["status"] in {"running", "waiting"}
        assert call(gateway, "POST", f"/v1/streams/{name}/cancel").json()["status"] == "cancelled"
        assert "cancelled" in replay.read().decode()


def test_a_replay_that_is_refused_is_not_begun(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """Nothing is played on that nobody reads."""
    upstream.play(streamed(FRAMES, delay_s=0.01))
    ask(gateway, x_narthex_record="on", x_narthex_stream_id=NAME)
    path, headers = f"/v1/recordings/{NAME}/replay?speed=0.001", {"x-narthex-max-tokens-per-second": "many"}
    assert call(gateway, "GET", path, headers=headers).status_code == 400
    replays = [one for one in call(gateway, "GET", "/v1/streams").json()["data"] if one["replay_of"]]
    assert {one["status"] for one in replays} <= {"cancelled"}


async def test_one_that_grows_is_downloaded_as_it_was(tmp_path: Path) -> None:
    """As many bytes as were announced, however many come meanwhile."""
    path = tmp_path / "a"
    path.write_bytes(b"x" * 100_000)
    pieces = _contents(path.open("rb"), 100_000)
    first = await anext(pieces)
    path.write_bytes(b"x" * 300_000)
    assert len(first) + sum([len(piece) async for piece in pieces]) == 100_000


def test_what_is_cut_is_not_played_as_whole(
    upstream: ScriptedUpstream, gateway: RunningGateway, tmp_path: Path
) -> None:
    """It ends in an error."""
    upstream.play(streamed(FRAMES))
    ask(gateway, x_narthex_record="on", x_narthex_stream_id=NAME)
    assert listed(gateway)[0]["status"] == "whole"
    (file,) = (tmp_path / "recordings").iterdir()
    text = file.read_bytes()
    file.write_bytes(text[: text.rindex(b'{"end"')])
    assert listed(gateway)[0]["status"] == "truncated"
    replay = call(gateway, "GET", f"/v1/recordings/{NAME}/replay?speed=0")
    assert "this recording is not whole" in replay.text
    assert report(gateway, replay.headers["x-narthex-stream-id"])["status"] == "failed"
    file.write_bytes(b"{}")
    assert call(gateway, "GET", f"/v1/recordings/{NAME}/replay").status_code == 404


def test_where_nothing_is_recorded_no_call_is_made(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """Whoever wants a recording is not given an answer without one."""
    with running(tmp_path, **settings(upstream, max_recordings=0)) as gateway:
        refused = ask(gateway, x_narthex_record="on")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")
        assert not upstream.requests
    assert not (tmp_path / "recordings").exists()


@pytest.mark.parametrize(
    ("path", "param"),
    [
        (f"/v1/streams/{NAME}?after=0&speed=fast", "speed"),
        (f"/v1/recordings/{NAME}/replay?speed=-1", "speed"),
        (f"/v1/recordings/{NAME}/replay?after=x", "after"),
        (f"/v1/recordings/{NAME}/replay?after=5000", "after"),
        (f"/v1/streams/{NAME}/timeline?buckets=0", "buckets"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    gateway: RunningGateway, upstream: ScriptedUpstream, path: str, param: str
) -> None:
    """With the parameter at fault."""
    upstream.play(streamed(FRAMES))
    ask(gateway, x_narthex_record="on", x_narthex_stream_id=NAME)
    refused = call(gateway, "GET", path)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


def test_a_header_that_says_neither_is_refused(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """`off` is as without."""
    upstream.play(streamed(FRAMES))
    assert ask(gateway, x_narthex_record="maybe").json()["error"]["param"] == "x-narthex-record"
    assert "x-narthex-stream-id" not in ask(gateway, x_narthex_record="off").headers


def test_a_kept_stream_is_read_at_its_pace(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """Or faster; the bytes are the same."""
    upstream.play(streamed(FRAMES))
    answer = ask(gateway, x_narthex_stream_id=NAME)
    assert call(gateway, "GET", f"/v1/streams/{NAME}?after=0&speed=2").content == answer.content
    rest = call(gateway, "GET", f"/v1/streams/{NAME}?after=12&speed=max").content
    assert answer.content.endswith(rest)
    assert rest.startswith(b"id: answer-1:13\n")


def test_a_timeline_tells_of_the_rescue_and_its_seam(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """At which event the other attempt's words begin, and when each attempt was."""
    words = " ".join(f"word{number}" for number in range(40))
    upstream.play(cut_after(streamed(openai_frames(words)), sends=12))
    upstream.play(streamed(openai_frames(words)))
    with recovering(tmp_path, **settings(upstream), rescue="restart") as gateway:
        answer = ask(gateway, x_narthex_record="on", x_narthex_stream_id=NAME)
        told = call(gateway, "GET", f"/v1/streams/{NAME}/timeline?buckets=7").json()
        (seam,) = told["seams"]
        assert (seam["way"], seam["target"]) == ("restart", "up/m")
        events = answer.text.split("\n\n")
        before, behind = "".join(events[: seam["seq"] - 1]), "".join(events[seam["seq"] - 1 :])
        last, first = (int(re.findall(r"word(\d+)", part)[place]) for part, place in ((before, -1), (behind, 0)))
        assert first == last + 1
        assert [(one["way"], one["failure"]) for one in told["attempts"]] == [("first", "truncated"), ("restart", None)]
        assert all(one["began_ms"] <= one["ended_ms"] for one in told["attempts"])
        assert len(told["buckets"]) <= 7
        end = json.loads(call(gateway, "GET", f"/v1/recordings/{NAME}").text.splitlines()[-1])["end"]
        assert end["seams"] == [seam]


def test_what_is_not_kept_has_no_timeline(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """Nor can it be recorded: its events run past."""
    upstream.play(cut_after(streamed(FRAMES), sends=11, by=Stall()))
    body = json.dumps(ASKED).encode()
    connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    assert connection.recv(1_000)
    (one,) = call(gateway, "GET", "/v1/streams").json()["data"]
    for method, path in (("GET", "timeline"), ("POST", "record"), ("GET", "?after=0&speed=1")):
        joint = "" if path.startswith("?") else "/"
        refused = call(gateway, method, f"/v1/streams/{one['id']}{joint}{path}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "stream_not_kept")
    connection.close()
