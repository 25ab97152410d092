"""The response object and its items, written alike for whole and streamed answers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from narthex.types.answers import FinishReason, TokenLogprob
from narthex.types.dialects import Dialect
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest
from narthex.wire.openai_chat.written import annotations_of
from narthex.wire.openai_responses.items_encode import written_summary
from narthex.wire.openai_responses.request_encode import written_choice, written_format, written_tool
from narthex.wire.openai_responses.schema import Json

_ECHOED = ("max_tool_calls", "prompt_cache_key", "safety_identifier", "truncation")
"""Members of a request that a response repeats."""
_ID = re.compile(r"resp_[A-Za-z0-9_-]{1,120}")


def response_id(answer_id: str) -> str:
    """Return the ID of the response that tells an answer: its own, if it is one of this dialect."""
    if _ID.fullmatch(answer_id):
        return answer_id
    return f"resp_{hashlib.blake2b(answer_id.encode(), digest_size=16).hexdigest()}"


def response(
    answer_id: str, model: str, created_at: int, request: ChatRequest | None, *, status: str = "in_progress"
) -> Json:
    """Write a response that has not said anything yet.

    Args:
        answer_id: The ID of the response.
        model: Who answers.
        created_at: Unix time in seconds.
        request: What was asked, which a response repeats; None if that is not known any more.
        status: `queued` or `in_progress`.
    """
    body: Json = {
        "id": answer_id,
        "object": "response",
        "created_at": created_at,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "usage": None,
    }
    return body | _asked(request or ChatRequest(model=model, messages=()))


def _asked(request: ChatRequest) -> Json:
    own = request.extra if request.extra_dialect is Dialect.OPENAI_RESPONSES else {}
    choice, form = request.tool_choice, request.response_format
    text, reasoning = own.get("text"), own.get("reasoning")
    body: Json = {
        "background": own.get("background") is True,
        "instructions": _instructions(request, own),
        "max_output_tokens": request.max_output_tokens,
        "metadata": request.metadata or {},
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": own.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None} | (reasoning if isinstance(reasoning, dict) else {}),
        "service_tier": request.service_tier or "default",
        "store": own.get("store") is not False,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": (text if isinstance(text, dict) else {})
        | {"format": written_format(form) if form else {"type": "text"}},
        "tool_choice": "auto" if choice is None else written_choice(choice),
        "tools": [written_tool(tool) for tool in request.tools],
        "top_logprobs": request.top_logprobs or 0,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "truncation": "disabled",
        "user": request.user,
    }
    return body | {name: own[name] for name in _ECHOED if name in own}


def _instructions(request: ChatRequest, own: Json) -> object:
    # What came before may begin with a system message, too, which is not this request's.
    return own.get("instructions") if "previous_response_id" in own else instructions_of(request.messages)


def instructions_of(messages: Iterable[Message]) -> str | None:
    """Return the system message that stands first, as the caller's `instructions` do."""
    first = next(iter(messages), None)
    if first is None or first.role != "system":
        return None
    return "".join(part.text for part in first.parts if isinstance(part, Text)) or None


def message_item(item_id: str, content: list[Json], status: str) -> Json:
    """Write what the model says."""
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": content}


def text_content(text: str, logprobs: Iterable[TokenLogprob] = (), citations: Iterable[Json] = ()) -> Json:
    """Write a text that the model says."""
    return {
        "type": "output_text",
        "annotations": annotations_of(citations),
        "logprobs": written_logprobs(logprobs),
        "text": text,
    }


def refusal_content(text: str) -> Json:
    """Write the model's refusal."""
    return {"type": "refusal", "refusal": text}


def reasoning_item(item_id: str, text: str, sealed: str | None, status: str) -> Json:
    """Write what the model thinks, as a summary, with what only its provider can read."""
    body: Json = {"id": item_id, "type": "reasoning", "status": status, "summary": written_summary(text)}
    return body if sealed is None else body | {"encrypted_content": sealed}


def call_item(item_id: str, call_id: str, name: str, arguments: str, status: str) -> Json:
    """Write a tool call."""
    return {
        "id": item_id,
        "type": "function_call",
        "status": status,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }


def written_logprobs(logprobs: Iterable[TokenLogprob]) -> list[Json]:
    """Write the log probabilities of a text."""
    return [_token(one) | {"top_logprobs": [_token(top) for top in one.top]} for one in logprobs]


def item_status(reason: FinishReason, *, last: bool) -> str:
    """Return the status of an item in an answer that ended so: the last one of an incomplete answer was cut."""
    return "incomplete" if last and reason is FinishReason.LENGTH else "completed"


def _token(one: TokenLogprob) -> Json:
    return {"token": one.token, "logprob": one.logprob, "bytes": list(one.token_bytes or one.token.encode())}
