"""Bodies and streams of this wire, made up: what clients and providers of it can say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise

from hypothesis import strategies as st

letters = st.characters(codec="utf-8")
Json = dict[str, object]


def record(
    required: Mapping[str, st.SearchStrategy[object]], optional: Mapping[str, st.SearchStrategy[object]] | None = None
) -> st.SearchStrategy[Json]:
    """An object with some members always and others sometimes."""
    return st.fixed_dictionaries(dict(required), optional=dict(optional or {}))


words = st.text(letters, min_size=1, max_size=12) | st.sampled_from(
    [
        '"finish_reason":"stop"',
        '{"error":{}}',
        "[DONE]",
        '","usage":{',
        "\\",
        "\n\ndata: x",
        'a"b',
        "\\u0041",
        "émoji 🎉",
    ]
)
names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,10}", fullmatch=True)
ids = st.from_regex(r"call_[a-zA-Z0-9]{3,8}", fullmatch=True)
objects: st.SearchStrategy[Json] = st.dictionaries(
    names, st.none() | st.booleans() | st.integers(-9, 9) | words, max_size=3
)
markers = record({"type": st.just("ephemeral")}, optional={"ttl": st.sampled_from(["5m", "1h"])})

text_parts = record(
    {"type": st.just("text"), "text": st.text(letters, max_size=8)}, optional={"cache_control": markers}
)
image_parts = record(
    {
        "type": st.just("image_url"),
        "image_url": record(
            {"url": st.sampled_from(["https://a.test/b.png", "data:image/png;base64,aGk=", "data:;base64,"])},
            optional={"detail": st.sampled_from(["auto", "low", "high", "original"])},
        ),
    },
    optional={"cache_control": markers},
)
audio_parts: st.SearchStrategy[Json] = st.just(
    {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}
)
file_parts = record(
    {
        "type": st.just("file"),
        "file": st.one_of(
            st.just({"file_id": "file-1"}),
            record(
                {"file_data": st.sampled_from(["data:application/pdf;base64,aGk=", "aGk=", "https://a.test/x.pdf"])},
                optional={"filename": words},
            ),
        ),
    }
)
refusal_parts = record({"type": st.just("refusal"), "refusal": words})
calls = record(
    {
        "id": ids,
        "type": st.just("function"),
        "function": record({"name": names, "arguments": objects.map(json.dumps) | words}),
    },
    optional={"cache_control": markers},
)
details = st.one_of(
    record({"type": st.just("reasoning.text"), "text": words, "signature": st.none() | words}),
    record({"type": st.just("reasoning.encrypted"), "data": words}),
    record({"type": st.just("reasoning.summary"), "summary": words}),
)


def content(*kinds: st.SearchStrategy[Json]) -> st.SearchStrategy[object]:
    """Content as a text, as null, or as parts of some kinds."""
    return st.none() | st.text(letters, max_size=8) | st.lists(st.one_of(*kinds), max_size=3)


messages = st.one_of(
    record(
        {"role": st.sampled_from(["system", "developer"]), "content": content(text_parts)}, optional={"name": names}
    ),
    record(
        {"role": st.just("user"), "content": content(text_parts, image_parts, audio_parts, file_parts)},
        optional={"name": names},
    ),
    record(
        {"role": st.just("assistant"), "content": content(text_parts, refusal_parts)},
        optional={
            "tool_calls": st.lists(calls, max_size=2),
            "refusal": words,
            "reasoning_content": words,
            "reasoning": words,
            "reasoning_details": st.lists(details, max_size=3),
            "name": names,
        },
    ),
    record(
        {"role": st.just("tool"), "tool_call_id": ids, "content": content(text_parts, image_parts)},
        optional={"cache_control": markers},
    ),
)
functions = record({"name": names}, optional={"description": words, "parameters": objects, "strict": st.booleans()})
tools = record({"type": st.just("function"), "function": functions}, optional={"cache_control": markers})
formats = st.one_of(
    st.sampled_from([{"type": "text"}, {"type": "json_object"}]),
    record(
        {
            "type": st.just("json_schema"),
            "json_schema": record({"name": names, "schema": objects}, optional={"strict": st.booleans()}),
        }
    ),
)
small = st.floats(0, 2, allow_nan=False)
requests: st.SearchStrategy[Json] = record(
    {"model": words, "messages": st.lists(messages, min_size=1, max_size=4)},
    optional={
        "stream": st.booleans() | st.none(),
        "stream_options": record({}, optional={"include_usage": st.booleans(), "include_obfuscation": st.booleans()}),
        "max_tokens": st.integers(1, 9999),
        "max_completion_tokens": st.integers(1, 9999),
        "temperature": small | st.integers(0, 2),
        "top_p": small,
        "top_k": st.integers(1, 99),
        "stop": words | st.lists(words, max_size=2),
        "seed": st.integers(0, 2**60),
        "n": st.integers(1, 4),
        "presence_penalty": small,
        "frequency_penalty": small,
        "logit_bias": st.dictionaries(st.just("50256"), st.integers(-100, 100), max_size=1),
        "logprobs": st.booleans(),
        "top_logprobs": st.integers(0, 20),
        "tools": st.lists(tools, max_size=2),
        "tool_choice": st.sampled_from(
            ["auto", "none", "required", {"type": "function", "function": {"name": "f"}}, None]
        ),
        "parallel_tool_calls": st.booleans(),
        "response_format": formats,
        "reasoning_effort": st.sampled_from(["none", "minimal", "low", "high"]),
        "reasoning": record(
            {}, optional={"effort": st.just("low"), "max_tokens": st.integers(1, 9), "enabled": st.booleans()}
        ),
        "user": words,
        "metadata": st.dictionaries(names, words, max_size=2),
        "service_tier": st.sampled_from(["auto", "flex"]),
        "store": st.booleans(),
        "prediction": objects,
    },
)

usages = record(
    {
        "prompt_tokens": st.integers(0, 999),
        "completion_tokens": st.integers(0, 999),
        "total_tokens": st.integers(0, 2000),
    },
    optional={
        "prompt_tokens_details": st.none() | st.just({"cached_tokens": 3, "audio_tokens": 0}),
        "completion_tokens_details": st.just({"reasoning_tokens": 2}),
    },
)
finishes = st.sampled_from(["stop", "length", "tool_calls", "content_filter", "function_call", "eos"])
logprobs = record(
    {
        "content": st.lists(
            record(
                {
                    "token": words,
                    "logprob": st.floats(-9, 0),
                    "bytes": st.none() | st.lists(st.integers(0, 255), max_size=2),
                    "top_logprobs": st.just([{"token": "x", "logprob": -1.0, "bytes": [120]}]) | st.just([]),
                }
            ),
            max_size=2,
        )
    }
)
SOURCE: Json = {
    "type": "url_citation",
    "url_citation": {"url": "https://a.test", "title": "t", "start_index": 0, "end_index": 1},
}
answer_messages = record(
    {"role": st.just("assistant"), "content": st.none() | st.text(letters, max_size=12)},
    optional={
        "refusal": st.none() | words,
        "tool_calls": st.none() | st.lists(calls, max_size=3),
        "reasoning_content": words,
        "reasoning": words,
        "reasoning_details": st.lists(details, max_size=2),
        "annotations": st.just([]) | st.just([SOURCE]),
    },
)
answers: st.SearchStrategy[Json] = record(
    {
        "id": words,
        "object": st.just("chat.completion"),
        "created": st.integers(0, 2**40),
        "model": words,
        "choices": st.lists(
            record(
                {"message": answer_messages, "finish_reason": finishes},
                optional={"logprobs": st.none() | logprobs, "stop_reason": st.none() | words | st.integers(0, 9)},
            ),
            min_size=1,
            max_size=3,
        ).map(lambda choices: [{"index": index} | choice for index, choice in enumerate(choices)]),
    },
    optional={"usage": usages, "system_fingerprint": words, "service_tier": st.none() | st.just("default")},
)

tool_pieces = record(
    {},
    optional={
        "index": st.integers(0, 2),
        "id": ids | st.just(""),
        "type": st.just("function"),
        "function": record({}, optional={"name": names | st.just(""), "arguments": words}),
    },
)
deltas = st.one_of(
    record({"content": words}),
    record(
        {},
        optional={
            "role": st.just("assistant"),
            "content": st.none() | st.just("") | words,
            "refusal": st.none() | words,
            "reasoning_content": words,
            "reasoning": words,
            "reasoning_details": st.lists(
                st.tuples(details, st.none() | st.integers(0, 2)).map(lambda pair: pair[0] | {"index": pair[1]}),
                max_size=2,
            ),
            "tool_calls": st.lists(tool_pieces, max_size=2),
            "function_call": st.just({"name": "f", "arguments": "{}"}),
        },
    ),
)
chunk_choices = record(
    {"delta": deltas},
    optional={
        "index": st.integers(0, 1) | st.none(),
        "finish_reason": st.none() | st.just("") | st.none() | finishes | st.just("error"),
        "logprobs": st.none() | logprobs,
    },
)
chunks = record(
    {
        "id": st.sampled_from(["chatcmpl-1", "", None]),
        "object": st.just("chat.completion.chunk"),
        "created": st.just(1700000000),
        "model": st.sampled_from(["m-1", "m-1", "", "m-2"]),
        "choices": st.lists(chunk_choices, max_size=2) | st.lists(chunk_choices, min_size=1, max_size=1),
    },
    optional={"usage": st.none() | usages | st.just("much"), "system_fingerprint": st.just("fp")},
)
spacings = st.sampled_from([(",", ":"), (", ", ": ")])
frames = st.one_of(
    st.tuples(chunks, spacings, st.booleans()).map(
        lambda given: ("data: " + json.dumps(given[0], separators=given[1], ensure_ascii=given[2])).encode()
    ),
    st.sampled_from(
        [
            b": keep-alive",
            b"data: [DONE]",
            b"data:[DONE]",
            b'data: {"error":{"message":"down","type":"server_error","code":500}}',
            b'data: {"error":null,"choices":[{"delta":{"content":"x"},"finish_reason":null}]}',
            b'data: {"object":"error","message":"down","code":503}',
            b'event: error\ndata: {"message":"down"}',
            b'data: {"choi\\u0063es":[{"index":0,"delta":{},"finish\\u005freason":"stop"}]}',
            b'data: {"choices":[{"index":0,"delta":{},\ndata: "finish_reason":"stop"}]}',
            b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}',
            b"data: {broken",
            b"data: 7",
            b"data:",
            b"",
        ]
    ),
)
tame_chunks = st.builds(
    lambda text, index, finish: {
        "id": "chatcmpl-1",
        "model": "m-1",
        "choices": [{"index": index, "delta": {"content": text}, "finish_reason": finish}],
        "usage": None,
    },
    words,
    st.sampled_from([0, 0, 0, 1]),
    st.sampled_from([None, None, None, None, "stop"]),
)
tame_frames = st.tuples(tame_chunks, spacings).map(
    lambda given: ("data: " + json.dumps(given[0], separators=given[1], ensure_ascii=False)).encode()
)
line_ends = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r"])


def joined(end: bytes, parts: list[bytes], last: bytes) -> bytes:
    """Write frames as a stream with one kind of line end."""
    return b"".join(part.replace(b"\n", end) + end + end for part in parts) + last


streams = st.builds(
    joined,
    line_ends,
    st.lists(st.one_of(frames, tame_frames, tame_frames), max_size=10),
    st.sampled_from([b"", b"", b"data: [DONE]\n\n", b"data: [DONE]", b"\n", b'data: {"x":']),
)


@st.composite
def whole_streams(draw: st.DrawFn) -> bytes:
    """A stream of wild chunks that ends as an answer ends."""
    said = draw(st.lists(st.tuples(st.integers(0, 1), deltas, st.none() | logprobs), min_size=1, max_size=8))
    ends: list[tuple[int, Json, Json | None]] = [(index, {}, None) for index in sorted({index for index, _, _ in said})]
    written: list[Json] = [
        {"choices": [{"index": index, "delta": delta, "logprobs": chances, "finish_reason": finish}]}
        for rows, finish in ((said, None), (ends, draw(finishes)))
        for index, delta, chances in rows
    ]
    written.append({"choices": [], "usage": draw(usages)})
    head: Json = {"id": "chatcmpl-1", "created": 1700000000, "model": "m-1", "system_fingerprint": "fp"}
    return b"".join(b"data: " + json.dumps(head | one).encode() + b"\n\n" for one in written) + b"data: [DONE]\n\n"


cuts = st.lists(st.integers(0, 4000), max_size=10)


def pieces(data: bytes, places: list[int]) -> list[bytes]:
    """Cut `data` at the given places."""
    ends = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(ends)]
