"""The server that the proofs drive, started once."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import openai
import pytest

from narthex.testing.upstream import ScriptedUpstream
from tests.gateways import KEY, RunningGateway
from tests.proof.houses import Far, house


@pytest.fixture(scope="session")
def upstream() -> Iterator[ScriptedUpstream]:
    """A provider that speaks both wires."""
    with ScriptedUpstream(reply="Hello from the script.", models=("gpt-test", "claude-sonnet-4-5")) as one:
        yield one


@pytest.fixture(scope="session")
def gateway(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """The server, with a key."""
    with house(tmp_path_factory.mktemp("proof"), upstream) as one:
        yield one


_MODELS = {"openai": "oai/gpt-test", "anthropic": "ant/claude-sonnet-4-5", "scripted": "demo/m"}


@pytest.fixture(params=["openai", "anthropic", "scripted"])
def far(request: pytest.FixtureRequest, upstream: ScriptedUpstream) -> Far:
    """Everything that can stand behind the server."""
    return Far(request.param, _MODELS[request.param], upstream)


@pytest.fixture(params=["openai", "anthropic"])
def wired(request: pytest.FixtureRequest, upstream: ScriptedUpstream) -> Far:
    """Everything behind the server that is reached over a wire."""
    return Far(request.param, _MODELS[request.param], upstream)


@pytest.fixture(scope="module")
def openai_client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    """The SDK, without retries of its own; made once, because it loads the authorities of TLS each time."""
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0, timeout=10) as one:
        yield one


@pytest.fixture(scope="module")
def anthropic_client(gateway: RunningGateway) -> Iterator[anthropic.Anthropic]:
    """Anthropic's SDK, likewise."""
    with anthropic.Anthropic(base_url=gateway.url, api_key=KEY, max_retries=0, timeout=10) as one:
        yield one
