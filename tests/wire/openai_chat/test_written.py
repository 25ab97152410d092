"""What is written alike, whole and streamed."""

from __future__ import annotations

import pytest
from openai.types import CompletionUsage

from narthex.types.answers import FinishReason, TokenLogprob
from narthex.types.usage import Usage
from narthex.wire.openai_chat.written import annotations_of, finish_word, logprobs_body, usage_body


@pytest.mark.parametrize("reason", list(FinishReason))
def test_every_reason_has_a_word_of_openais(reason: FinishReason) -> None:
    """Clients that check the word against OpenAI's list accept it."""
    for refused in (True, False):
        assert finish_word(reason, refused=refused) in {"stop", "length", "tool_calls", "content_filter"}


def test_usage_has_openais_members() -> None:
    """The parts are told under the names of OpenAI's own type."""
    usage = Usage(input_tokens=9, output_tokens=4, cache_read_tokens=3, cache_write_tokens=2, reasoning_tokens=1)
    read = CompletionUsage.model_validate(usage_body(usage))
    assert read.total_tokens == 13
    assert read.prompt_tokens_details is not None
    assert (read.prompt_tokens_details.cached_tokens, read.prompt_tokens_details.cache_write_tokens) == (3, 2)
    assert read.completion_tokens_details is not None
    assert read.completion_tokens_details.reasoning_tokens == 1


def test_log_probabilities_have_their_alternatives() -> None:
    """A token without bytes says null, as OpenAI does."""
    top = TokenLogprob(token="b", logprob=-2.0)
    assert logprobs_body([TokenLogprob(token="a", logprob=-1.0, token_bytes=(97,), top=(top,))]) == {
        "content": [
            {
                "token": "a",
                "logprob": -1.0,
                "bytes": [97],
                "top_logprobs": [{"token": "b", "logprob": -2.0, "bytes": None}],
            }
        ]
    }


def test_only_own_citations_are_annotations() -> None:
    """The shapes of other dialects are left out."""
    own: dict[str, object] = {"type": "url_citation"}
    assert annotations_of([own, {"type": "char_location"}]) == [own]
