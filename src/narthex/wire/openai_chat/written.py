"""The parts of answers that are written alike, whole and streamed."""

from __future__ import annotations

from collections.abc import Iterable

from narthex.types.answers import FinishReason, TokenLogprob
from narthex.types.usage import Usage

Body = dict[str, object]

_WORDS = {
    FinishReason.STOP: "stop",
    FinishReason.STOP_SEQUENCE: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.CONTENT_FILTER: "content_filter",
    FinishReason.PAUSE: "stop",
}


def finish_word(reason: FinishReason, *, refused: bool) -> str:
    """Return the dialect's word for why a choice ended.

    Args:
        reason: Why it ended.
        refused: Whether the model's own words of refusal are in the answer; then they say it, and the word is `stop`.
    """
    if reason is FinishReason.REFUSAL:
        return "stop" if refused else "content_filter"
    return _WORDS[reason]


def usage_body(usage: Usage) -> Body:
    """Write what an answer consumed."""
    prompt_details: Body = {"cached_tokens": usage.cache_read_tokens}
    if usage.cache_write_tokens:
        prompt_details["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def logprobs_body(logprobs: Iterable[TokenLogprob]) -> Body:
    """Write the log probabilities of a choice's text."""
    return {"content": [_token(one) | {"top_logprobs": [_token(top) for top in one.top]} for one in logprobs]}


def annotations_of(citations: Iterable[dict[str, object]]) -> list[dict[str, object]]:
    """Return the citations that this dialect gave itself; those of others have another shape."""
    return [one for one in citations if one.get("type") == "url_citation"]


def _token(one: TokenLogprob) -> Body:
    given = None if one.token_bytes is None else list(one.token_bytes)
    return {"token": one.token, "logprob": one.logprob, "bytes": given}
