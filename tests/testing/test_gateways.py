"""Whole gateways in processes of their own."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from narthex.testing import GatewayDidNotStart, RunningGateway, running_gateway, scripted_gateway


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    """Return a gateway with a script."""
    with scripted_gateway(reply="You said: {prompt}", faults=[{"fault": "fail", "status": 400, "every": 3}]) as running:
        yield running


def test_it_is_the_real_server(gateway: RunningGateway) -> None:
    """The official SDK talks to it, its model follows the script, and its faults come as counted."""
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="unused", max_retries=0) as client:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]
        for _ in range(2):
            found = client.chat.completions.create(model="scripted/scripted", messages=messages)
            assert found.choices[0].message.content == "You said: Hi"
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="scripted/scripted", messages=messages)


def test_it_runs_apart() -> None:
    """Each gateway has its own port and data folder, sees no environment, and is gone after its block."""
    with scripted_gateway() as first, running_gateway({"log": {"requests": False}}) as second:
        assert first.url != second.url
        assert first.data_dir != second.data_dir
        with urllib.request.urlopen(f"{second.url}/api/models", timeout=30) as response:
            assert json.load(response)["data"] == []
    assert first.process.returncode is not None
    assert not first.data_dir.parent.exists()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{first.url}/health", timeout=30)


def test_it_can_be_stopped_and_killed() -> None:
    """A test may stop a gateway in good order, or kill it, before its block ends."""
    with scripted_gateway() as gateway:
        stopped = gateway.stop()
        assert stopped in (0, -signal.SIGTERM)
        assert gateway.stop() == stopped
    with scripted_gateway() as gateway:
        gateway.process.kill()
        assert gateway.stop() == -signal.SIGKILL


def test_a_gateway_that_does_not_start_says_why() -> None:
    """A configuration that cannot be used is told at once, with every problem."""
    with (
        pytest.raises(GatewayDidNotStart, match=r"ended with status 1[\s\S]*providers\.scripted\.script\.sead"),
        scripted_gateway(sead=1),
    ):
        pass
