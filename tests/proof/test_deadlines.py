"""Every deadline, over real sockets: silences of every kind end as documented, whoever set the limit that ends them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from narthex.testing import ScriptedUpstream
from narthex.testing.acts import streamed
from narthex.testing.wall import Wall
from narthex.testing.wires import openai_frames
from tests.gateways import KEY, RunningGateway, recovering, running

LONG_S = 30.0
"""No limit that is not meant to be met is ever met."""
LONG = {"connect_s": LONG_S, "headers_s": LONG_S, "first_token_s": LONG_S, "idle_s": LONG_S, "total_s": LONG_S}
SHORT_S = 0.3

WIRES = ("openai", "anthropic")


class Silence(NamedTuple):
    """A way to say nothing, and what it ends in."""

    fault: str
    is_streamed: bool
    limit: str
    """The setting that is met."""
    failure: str
    """The class under which it is counted."""
    missed: str
    """What its error says."""


SILENCES = [
    Silence("fault-no-answer", False, "first_token_s", "first_token_timeout", "the whole answer did not come"),
    Silence("fault-no-answer", True, "headers_s", "first_token_timeout", "the answer did not begin"),
    Silence("fault-headers-only", True, "first_token_s", "first_token_timeout", "no first token came"),
    Silence("fault-stall-first", True, "first_token_s", "first_token_timeout", "no first token came"),
    Silence("fault-pings", True, "first_token_s", "first_token_timeout", "no first token came"),
    Silence("fault-pings", False, "first_token_s", "first_token_timeout", "the whole answer did not come"),
    Silence("fault-empty-pieces", True, "first_token_s", "first_token_timeout", "no first token came"),
    Silence("fault-trickle", True, "first_token_s", "first_token_timeout", "no first token came"),
    Silence("fault-trickle", False, "first_token_s", "first_token_timeout", "the whole answer did not come"),
    Silence("fault-pings-midway", True, "first_token_s", "stall", "signs of life only"),
    Silence("fault-trickle-midway", True, "first_token_s", "stall", "signs of life only"),
    Silence("fault-stall", True, "idle_s", "stall", "the stream went on with nothing"),
    Silence("fault-endless-drip", True, "total_s", "deadline", "the call was not over"),
    Silence("fault-no-answer", False, "total_s", "deadline", "the call was not over"),
]
HEADERS = {
    "connect_s": "x-narthex-timeout-connect",
    "headers_s": "x-narthex-timeout-headers",
    "first_token_s": "x-narthex-timeout-first-token",
    "idle_s": "x-narthex-timeout-idle",
    "total_s": "x-narthex-timeout",
}


@pytest.fixture(scope="module")
def wall() -> Iterator[Wall]:
    """Return a provider that misbehaves on demand."""
    with Wall(unit_s=0.1, reply="one two three four five six seven eight") as made:
        yield made


def providers(wall: Wall, **more: object) -> dict[str, object]:
    """Return the wall as two providers, one for each wire."""
    common = {"api_key": "wall", **more}
    return {
        "openai": {"kind": "openai", "base_url": f"{wall.url}/v1", **common},
        "anthropic": {"kind": "anthropic", "base_url": wall.url, **common},
    }


@pytest.fixture(scope="module")
def patient(wall: Wall, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """Return a gateway that waits for long, and tells failures as they come."""
    folder = tmp_path_factory.mktemp("patient")
    keys = [{"name": "app", "key": KEY}]
    with running(folder, providers=providers(wall), timeouts=LONG, keys=keys) as gateway:
        yield gateway


def ask(
    gateway: RunningGateway, wire: str, model: str, *, is_streamed: bool, headers: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Make one call and read it to its end; return its status and all that came."""
    path = "/v1/chat/completions" if wire == "openai" else "/v1/messages"
    body = {
        "model": model,
        "max_tokens": 50,
        "stream": is_streamed,
        "messages": [{"role": "user", "content": "Count to eight."}],
    }
    given = {"authorization": f"Bearer {KEY}", **(headers or {})}
    response = httpx.post(f"{gateway.url}{path}", json=body, headers=given, timeout=LONG_S + 10)
    return response.status_code, response.text


def message_of(text: str) -> str:
    """Return what the error says, whole or as the last event of a stream."""
    last = text
    if not text.startswith("{"):
        told = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {")]
        last = next(line for line in told if '"error"' in line)
    found = json.loads(last)["error"]["message"]
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("silence", SILENCES, ids=[f"{one.fault}-{one.limit}" for one in SILENCES])
def test_every_silence_ends_by_the_callers_limit(patient: RunningGateway, wire: str, silence: Silence) -> None:
    """A header of the call ends it, and the error names the limit, the setting and the header, in both dialects."""
    header = HEADERS[silence.limit]
    headers = {header: str(SHORT_S)}
    _, text = ask(patient, wire, f"{wire}/{silence.fault}", is_streamed=silence.is_streamed, headers=headers)
    message = message_of(text)
    assert silence.missed in message
    assert f"`timeouts.{silence.limit}`" in message
    assert f"`{header}`" in message
    metrics = httpx.get(f"{patient.url}/metrics", headers={"authorization": f"Bearer {KEY}"}).text
    assert f'failure="{silence.failure}"' in metrics


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "name", list(HEADERS.values()), ids=[name.removeprefix("x-narthex-") for name in HEADERS.values()]
)
def test_a_limit_that_is_none_is_refused(patient: RunningGateway, wire: str, name: str) -> None:
    """400, naming the header, before anybody is called."""
    status, text = ask(patient, wire, f"{wire}/healthy", is_streamed=False, headers={name: "soon"})
    assert status == 400
    assert f"header {name}: 'soon'" in text


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("is_streamed", [False, True])
def test_good_calls_never_notice(patient: RunningGateway, wire: str, is_streamed: bool) -> None:
    """An answer that is slow, pauses and drips is whole, as long as each step is in time."""
    for fault in ("healthy", "fault-delay", "fault-slow-first-token", "fault-pause", "fault-drip"):
        status, text = ask(patient, wire, f"{wire}/{fault}", is_streamed=is_streamed)
        assert (status, "error" in text) == (200, False)


@pytest.mark.parametrize("wire", WIRES)
def test_models_and_virtual_models_have_limits_of_their_own(wall: Wall, tmp_path: Path, wire: str) -> None:
    """What is named for a provider, for a model, and for a virtual model ends their calls, and nobody else's."""
    own = {"first_token_s": SHORT_S}
    settings: dict[str, object] = {
        "timeouts": LONG,
        "providers": {
            **providers(wall),
            "hasty": {"kind": "openai", "base_url": f"{wall.url}/v1", "api_key": "wall", "timeouts": own},
        },
        "virtual": {"soon": {"members": [f"{wire}/fault-headers-only"]}},
        "models": {f"{wire}/fault-stall-first": {"timeouts": own}, "soon": {"timeouts": own}},
    }
    with running(tmp_path, **settings, keys=[{"name": "app", "key": KEY}]) as gateway:
        for model in ("hasty/fault-pings", f"{wire}/fault-stall-first", "soon"):
            _, text = ask(gateway, wire, model, is_streamed=True)
            assert f"no first token came within {SHORT_S} s" in message_of(text)
        headers = {"x-narthex-timeout-first-token": "0.5"}
        for model in (f"{wire}/fault-stall-first", "soon"):
            _, text = ask(gateway, wire, model, is_streamed=True, headers=headers)
            assert "no first token came within 0.5 s" in message_of(text)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("fault", ["fault-no-answer", "fault-pings", "fault-stall-first", "fault-pings-midway"])
def test_those_who_stand_in_have_what_is_left(wall: Wall, tmp_path: Path, wire: str, fault: str) -> None:
    """After a silence the next model is asked, and told how long the call may still take."""
    with ScriptedUpstream() as standing_in:
        standing_in.always(streamed(openai_frames("eight and no more")))
        spare = {"kind": "openai", "base_url": f"{standing_in.url}/v1", "pass_deadline": True}
        settings: dict[str, object] = {
            "timeouts": {**LONG, "headers_s": SHORT_S, "first_token_s": SHORT_S},
            "providers": {**providers(wall), "spare": spare},
            "fallbacks": {"*": ["spare/m"]},
        }
        with recovering(tmp_path, **settings, keys=[{"name": "app", "key": KEY}]) as gateway:
            headers = {"x-narthex-timeout": "20"}
            status, text = ask(gateway, wire, f"{wire}/{fault}", is_streamed=True, headers=headers)
        assert (status, '"error"' in text) == (200, False)
        assert "more" in text
        (request,) = standing_in.requests
        assert 0 < float(request.headers["x-narthex-timeout"]) <= 20 - SHORT_S
