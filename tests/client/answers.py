"""What a gateway answers, written by hand."""

from __future__ import annotations

from collections.abc import Sequence

from narthex.testing.acts import Answer, streamed, whole
from narthex.testing.wires import as_json

GENERATION: dict[str, object] = {
    "id": "gen_1",
    "object": "generation",
    "created_at": 1_767_225_600,
    "model": "local/smollm2",
    "format": "text",
    "text": "Blue, mostly.",
    "output": "Blue, mostly.",
    "repaired": False,
    "finish_reason": "stop",
    "usage": {
        "input_tokens": 3,
        "output_tokens": 4,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "reasoning_tokens": 0,
        "total_tokens": 7,
        "estimated": False,
    },
    "something_new": [1],
}

MODEL: dict[str, object] = {
    "name": "local/smollm2",
    "id": "smollm2",
    "provider": "local",
    "capabilities": ["chat"],
    "context_tokens": 2048,
    "max_output_tokens": None,
    "dimensions": None,
    "aliases": ["small"],
    "description": None,
    "health": {"status": "idle", "detail": None},
}

STATUS: dict[str, object] = {
    "object": "system.status",
    "version": "0.1.0",
    "status": "ok",
    "started_at": 1_767_225_600,
    "uptime_s": 12.5,
    "pid": 1,
    "python": "3.11",
    "platform": "Linux",
    "address": "http://127.0.0.1:8484",
    "auth_required": False,
    "default_model": "local/smollm2",
    "data_dir": "/data",
    "memory_bytes": 1,
    "requests": {"active": 0, "total": 2, "failed": 1},
    "tokens": {"input": 3, "output": 4},
    "providers": [
        {
            "name": "local",
            "kind": "embedded",
            "base_url": None,
            "models": 1,
            "health": {"status": "ok", "detail": None, "checked_at": 1.5},
            "keys": [{"id": "key-1", "state": "cooling", "usable_in_s": 2.5}],
        }
    ],
    "embedded": {"installed": True, "loaded": False, "model": "smollm2", "progress": None, "detail": None},
}


def event(kind: str, data: object) -> bytes:
    """Write one event of a native stream."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), as_json(data))


def generation_frames(*texts: str) -> list[bytes]:
    """Write the stream of a generation."""
    return [*(event("delta", {"text": text}) for text in texts), event("done", GENERATION)]


def error_body(message: str = "No.", *, code: str = "internal_error", **fields: object) -> dict[str, object]:
    """Write an error as every route of a gateway does."""
    described = {"message": message, "type": "server_error", "param": None, "code": code, "request_id": "req_body"}
    return {"error": described | fields}


def failed(status: int, message: str = "No.", *, code: str = "internal_error", **fields: object) -> Answer:
    """Answer with an error."""
    body = as_json(error_body(message, code=code, **fields))
    return whole(body, status=status, headers={"x-request-id": "req_head", "retry-after": "3"})


def generated(frames: Sequence[bytes] | None = None, *, ended: bool = True) -> Answer:
    """Answer with a generation: whole, or as a stream of these frames."""
    if frames is None:
        return whole(as_json(GENERATION))
    return streamed(frames, headers={"x-request-id": "req_head"}, ended=ended)
