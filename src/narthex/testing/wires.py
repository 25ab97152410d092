"""Answers of providers in their own words, written by hand from their documentation.

They share no code with the translators on purpose: what both get wrong in the same way would not be seen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

_CREATED_AT = 1_767_225_600


def as_json(value: object) -> bytes:
    """Write compact JSON in UTF-8, as providers do."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def words(text: str) -> list[str]:
    """Split a text into the pieces it is streamed in."""
    return re.findall(r"\s*\S+|\s+$", text)


def tool_call(name: str, arguments: Mapping[str, object] | str, call_id: str = "call_1") -> dict[str, object]:
    """Write a tool call in OpenAI's words."""
    written = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": written}}


def _openai_usage(text: str) -> dict[str, object]:
    count = len(words(text))
    return {"prompt_tokens": 9, "completion_tokens": count, "total_tokens": 9 + count}


def openai_answer(
    text: str | None = "Hello from upstream.",
    *,
    model: str = "gpt-test",
    finish: str | None = "stop",
    tool_calls: Sequence[Mapping[str, object]] = (),
) -> bytes:
    """Write a whole chat completion."""
    message: dict[str, object] = {"role": "assistant", "content": text, "refusal": None}
    if tool_calls:
        message["tool_calls"] = list(tool_calls)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return as_json(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": _CREATED_AT,
            "model": model,
            "choices": [choice],
            "usage": _openai_usage(text or ""),
        }
    )


def openai_frames(
    text: str = "Hello from upstream.",
    *,
    model: str = "gpt-test",
    finish: str | None = "stop",
    usage: bool = True,
    done: bool = True,
    tool_calls: Sequence[Mapping[str, object]] = (),
) -> list[bytes]:
    """Write the frames of a streamed chat completion.

    Args:
        text: What is said, a word in each frame.
        model: Who says it.
        finish: The finish reason; with None there is no frame that finishes.
        usage: Whether a frame with the usage comes.
        done: Whether the closing `[DONE]` comes.
        tool_calls: Made after the text, arguments in a frame of their own.
    """
    opening: dict[str, object] = {"role": "assistant", "content": ""}
    deltas = [opening, *_openai_words(text)]
    for index, call in enumerate(tool_calls):
        deltas += _openai_tool_deltas(index, call)
    frames = [_openai_frame(model, [{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
    if finish is not None:
        frames.append(_openai_frame(model, [{"index": 0, "delta": {}, "finish_reason": finish}]))
    if usage:
        frames.append(_openai_frame(model, [], usage=_openai_usage(text)))
    return [*frames, b"data: [DONE]\n\n"] if done else frames


def _openai_words(text: str) -> list[dict[str, object]]:
    return [{"content": word} for word in words(text)]


def _openai_tool_deltas(index: int, call: Mapping[str, object]) -> list[dict[str, object]]:
    function = call["function"]
    assert isinstance(function, Mapping)
    started = {"index": index, "id": call["id"], "type": "function", "function": {**function, "arguments": ""}}
    more = {"index": index, "function": {"arguments": function["arguments"]}}
    return [{"tool_calls": [started]}, {"tool_calls": [more]}]


def _openai_frame(model: str, choices: Sequence[Mapping[str, object]], usage: object = None) -> bytes:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": _CREATED_AT,
        "model": model,
        "choices": list(choices),
        "usage": usage,
    }
    return b"data: %b\n\n" % as_json(body)


def openai_error(message: str = "Something is wrong.", *, code: str | None = None, kind: str = "server_error") -> bytes:
    """Write an error body."""
    return as_json({"error": {"message": message, "type": kind, "param": None, "code": code}})


def openai_embeddings(vectors: Sequence[Sequence[float]], *, model: str = "embed-test") -> bytes:
    """Write an answer with vectors."""
    data = [{"object": "embedding", "index": index, "embedding": list(row)} for index, row in enumerate(vectors)]
    usage = {"prompt_tokens": len(data), "total_tokens": len(data)}
    return as_json({"object": "list", "data": data, "model": model, "usage": usage})


def openai_models(*models: str) -> bytes:
    """Write a list of models."""
    data = [{"id": model, "object": "model", "created": _CREATED_AT, "owned_by": "test"} for model in models]
    return as_json({"object": "list", "data": data})


def anthropic_answer(
    text: str | None = "Hello from upstream.",
    *,
    model: str = "claude-test",
    stop: str | None = "end_turn",
    blocks: Sequence[Mapping[str, object]] = (),
) -> bytes:
    """Write a whole message; `blocks` follow the text."""
    content = [{"type": "text", "text": text}] if text is not None else []
    return as_json(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [*content, *blocks],
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {"input_tokens": 9, "output_tokens": len(words(text or ""))},
        }
    )


def anthropic_frames(
    text: str | None = "Hello from upstream.",
    *,
    model: str = "claude-test",
    stop: str | None = "end_turn",
    done: bool = True,
    tools: Sequence[Mapping[str, object]] = (),
) -> list[bytes]:
    """Write the frames of a streamed message.

    Args:
        text: What is said, a word in each frame.
        model: Who says it.
        stop: The stop reason; with None there is no frame that tells it.
        done: Whether the closing `message_stop` comes.
        tools: `tool_use` blocks after the text, with `id`, `name` and `input`.
    """
    message: dict[str, object] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 1},
    }
    frames = [anthropic_frame("message_start", message=message), anthropic_frame("ping")]
    blocks: list[tuple[dict[str, object], list[dict[str, object]]]] = []
    if text is not None:
        deltas: list[dict[str, object]] = [{"type": "text_delta", "text": word} for word in words(text)]
        blocks.append(({"type": "text", "text": ""}, deltas))
    blocks += [_anthropic_tool(tool) for tool in tools]
    for index, (block, pieces) in enumerate(blocks):
        frames.append(anthropic_frame("content_block_start", index=index, content_block=block))
        frames += [anthropic_frame("content_block_delta", index=index, delta=piece) for piece in pieces]
        frames.append(anthropic_frame("content_block_stop", index=index))
    if stop is not None:
        delta = {"stop_reason": stop, "stop_sequence": None}
        usage = {"output_tokens": max(1, len(words(text or "")))}
        frames.append(anthropic_frame("message_delta", delta=delta, usage=usage))
    return [*frames, anthropic_frame("message_stop")] if done else frames


def _anthropic_tool(tool: Mapping[str, object]) -> tuple[dict[str, object], list[dict[str, object]]]:
    written = json.dumps(tool["input"])
    middle = len(written) // 2
    pieces = ["", written[:middle], written[middle:]]
    block = {"type": "tool_use", "id": tool["id"], "name": tool["name"], "input": {}}
    return block, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


def anthropic_frame(kind: str, **fields: object) -> bytes:
    """Write one event of a streamed message."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), as_json({"type": kind, **fields}))


def anthropic_error(message: str = "Something is wrong.", *, kind: str = "api_error") -> bytes:
    """Write an error body."""
    return as_json({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"})


def anthropic_models(*models: str) -> bytes:
    """Write a list of models."""
    data = [
        {"type": "model", "id": model, "display_name": model, "created_at": "2026-01-01T00:00:00Z"} for model in models
    ]
    ends = {"first_id": models[0] if models else None, "last_id": models[-1] if models else None}
    return as_json({"data": data, "has_more": False, **ends})
