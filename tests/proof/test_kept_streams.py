"""The official SDKs read a kept answer as any other, whatever stands beside its events, and it can be read again."""

from __future__ import annotations

import re
import uuid

import anthropic
import httpx
import openai

from tests.proof.houses import Far


def kept(client: openai.OpenAI | anthropic.Anthropic, name: str) -> bytes:
    """Read a kept answer from its start, without an SDK."""
    root = str(client.base_url).removesuffix("/").removesuffix("/v1")
    key = client.api_key or ""
    answer = httpx.get(f"{root}/v1/streams/{name}?after=0", headers={"authorization": f"Bearer {key}"}, timeout=20)
    assert answer.status_code == 200
    return answer.content


def test_openai_chunks_are_the_same(openai_client: openai.OpenAI, far: Far) -> None:
    """Chunk by chunk, as without the headers that keep the answer."""
    far.says()
    name = f"kept-{uuid.uuid4()}"
    headers = {"x-narthex-stream-id": name, "x-narthex-on-disconnect": "detach"}
    with openai_client.chat.completions.create(
        model=far.model, messages=[{"role": "user", "content": "Hello"}], stream=True, extra_headers=headers
    ) as stream:
        chunks = [chunk for chunk in stream if chunk.choices]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello from the script."
    assert chunks[-1].choices[0].finish_reason == "stop"
    raw = kept(openai_client, name)
    assert len(re.findall(rb"^data: \{", raw, re.MULTILINE)) >= len(chunks)
    assert raw.endswith(b"data: [DONE]\n\n")


def test_anthropic_events_are_the_same(anthropic_client: anthropic.Anthropic, far: Far) -> None:
    """The SDK puts the message together from them."""
    far.says()
    name = f"kept-{uuid.uuid4()}"
    with anthropic_client.messages.stream(
        model=far.model,
        max_tokens=50,
        messages=[{"role": "user", "content": "Hello"}],
        extra_headers={"x-narthex-stream-id": name},
    ) as stream:
        message = stream.get_final_message()
    assert [block.text for block in message.content if block.type == "text"] == ["Hello from the script."]
    assert message.stop_reason == "end_turn"
    assert b"event: message_stop\n" in kept(anthropic_client, name)
