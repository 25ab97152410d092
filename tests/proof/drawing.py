"""What the fuzz tests draw: bytes that are nearly HTTP, values that are nearly requests, heads nearly alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from tests.gateways import KEY
from tests.proof.fuzzing import OTHER_KEY, chat, request

CHAT: Final = "/v1/chat/completions"
MESSAGES: Final = "/v1/messages"
COUNT: Final = "/v1/messages/count_tokens"
EMBEDDINGS: Final = "/v1/embeddings"
GENERATE: Final = "/api/generate"
PATHS: Final = (CHAT, MESSAGES, COUNT, EMBEDDINGS, GENERATE)
"""Routes that take a body."""

# --- bytes ------------------------------------------------------------------------------------------------------------

_METHODS = [
    b"POST",
    b"POST",
    b"POST",
    b"GET",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"PATCH",
    b"TRACE",
    b"CONNECT",
    b"post",
    b"",
]
_TARGETS = [
    *(path.encode() for path in PATHS),
    *[
        b"/v1/chat/completions%0A",
        b"/v1/messages?beta=true",
        b"/v1/models",
        b"/v1/models/demo%2Fm",
        b"/v1/models/%ff%00",
    ],
    *[b"/", b"/health", b"/readyz", b"/metrics", b"/api/models", b"/api/system/status", b"/openapi.json", b"/docs"],
    *[
        b"*",
        b"//",
        b"/../etc/passwd",
        b"/%2e%2e/%2e%2e",
        b"/\xc3\xa9",
        b"http://127.0.0.1/health",
        b"a:443",
        b"/a b",
        b"",
    ],
]
_VERSIONS = [b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.12", b"HTTP/", b""]
_HEADERS = [
    b"content-length: 5",
    b"content-length: 0",
    b"content-length: +5",
    b"content-length: 99999999999999999999",
    b"transfer-encoding: chunked",
    b"transfer-encoding: gzip, chunked",
    b"transfer-encoding: identity",
    b"connection: close",
    b"connection: keep-alive, upgrade",
    b"upgrade: websocket",
    b"upgrade: h2c",
    b"expect: 100-continue",
    b"origin: http://127.0.0.1",
    b"origin: \xff",
    b"host:",
    b"host: a\r\nhost: b",
    b"authorization: Bearer",
    b"authorization: Basic \xff\xfe",
    b"x-api-key:",
    b"x-narthex-timeout: 1e999",
    b"accept-encoding: br;q=2, \xff",
    b"if-none-match: *",
    b"range: bytes=5-1",
    b"content-type: text/plain; charset=\xff",
    b"traceparent: \x7f",
    b"access-control-request-method: \xff",
    b"cookie: " + b"a" * 300,
    b" folded: x",
    b"space : x",
    b": nameless",
    b"nothing",
]
_BODIES = [b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"5;a=b\r\nhello\r\n0\r\nx: y\r\n\r\n", b"fff\r\n", b"\0\0\0\0\0"]
_ODD_BYTES = st.sampled_from(
    [b"\0", b"\r", b"\n", b"\r\n", b"\x0b", b" ", b"\t", b":", b"\x7f", b"\x80", b"\xff", b"%", b"0"]
)


@st.composite
def near_requests(draw: st.DrawFn) -> bytes:
    """Draw one to three requests that are right, or nearly so, with a few bytes spoiled."""
    data = b"".join(draw(st.lists(_near_request(), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(data)))
        data = data[:place] + draw(_ODD_BYTES) + data[place + draw(st.integers(0, 2)) :]
    return data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 4)) == 0 else data


@st.composite
def _near_request(draw: st.DrawFn) -> bytes:
    if draw(st.booleans()):
        return request(CHAT, chat("Hi"), more=draw(st.sampled_from(["", "origin: http://127.0.0.1\r\n"])))
    line = b" ".join(draw(st.sampled_from(pool)) for pool in (_METHODS, _TARGETS, _VERSIONS))
    headers = [b"host: 127.0.0.1", b"authorization: Bearer " + KEY.encode()][: draw(st.integers(0, 2))]
    headers += draw(st.lists(st.sampled_from(_HEADERS), max_size=4))
    return b"\r\n".join([line, *headers, b"", draw(st.sampled_from(_BODIES))])


any_bytes = st.binary(max_size=200) | near_requests() | near_requests() | near_requests()

# --- values -----------------------------------------------------------------------------------------------------------

Path = tuple[str | int, ...]

AGAIN: Final = "\a"
"""Ends a name that is written without it: so a name can be there twice."""


@dataclass(frozen=True, slots=True)
class Written:
    """A piece of JSON, or of what is nearly JSON, as it is written."""

    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A body for a route."""

    path: str
    body: bytes


_TOOL = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}
_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
_SOURCE = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
_BASES: Final[dict[str, list[dict[str, object]]]] = {
    CHAT: [
        {"model": "demo/m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9, "temperature": 0.5},
        {"model": "up/m", "messages": [{"role": "user", "content": "Hi"}], "stream": False, "seed": 1},
        {
            "model": "demo/m",
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "Be"}]},
                {"role": "user", "content": [{"type": "text", "text": "Look"}, _IMAGE]},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                },
                {"role": "tool", "tool_call_id": "1", "content": "x"},
            ],
            "tools": [{"type": "function", "function": _TOOL}],
            "tool_choice": "auto",
            "stop": ["a", "b"],
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
            "logprobs": True,
            "top_logprobs": 2,
            "n": 1,
            "stream": True,
            "stream_options": {"include_usage": True},
        },
    ],
    MESSAGES: [
        {"model": "demo/m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]},
        {"model": "up/m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "stream": True},
        {
            "model": "demo/m",
            "max_tokens": 2000,
            "system": [{"type": "text", "text": "Be", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Look"}, {"type": "image", "source": _SOURCE}]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "x"}]},
            ],
            "tools": [{"name": "f", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "any"},
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "stop_sequences": ["a"],
            "metadata": {"user_id": "u"},
        },
    ],
    COUNT: [{"model": "demo/m", "messages": [{"role": "user", "content": "Hi"}], "system": "Be"}],
    EMBEDDINGS: [
        {"model": "demo/m", "input": "Hi", "dimensions": 4, "encoding_format": "base64"},
        {"model": "up/m", "input": ["Hi", "there"], "user": "u"},
        {"model": "demo/m", "input": [[1, 2], [3]]},
    ],
    GENERATE: [
        {"model": "demo/m", "prompt": "Hi", "system": "Be", "format": "text", "max_output_tokens": 9, "stop": ["a"]},
        {"prompt": "Hi", "format": "xml", "root": "a", "stream": True, "seed": 1, "temperature": 1},
        {"prompt": "Hi", "format": "json", "schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
    ],
}

_ODD_VALUES: Final[list[object]] = [
    *[None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 0.5, -0.0, 1e308],
    *["", "x", "demo/m", "up/m", "nothing/m", "\0", "\ud800", "\U0001f600", "a" * 300, "[[fail 503]]", "data:,", "://"],
    *[[], {}, [None], [[]], {"type": "text"}, {"type": "object", "$ref": "#"}, {"": {}}, ["a", 1], {"text": 1}],
    *(
        Written(text)
        for text in ("NaN", "Infinity", "-Infinity", "1e999", "-1e-999", "0123", "1.", "'x'", "", "//", "1 2")
    ),
    *(Written(text) for text in ('"\\ud800"', '"\\udc00\\ud800"', '"\\x"', '"\t"', "\ufeff1", "tru", "{", "[", '"')),
    *(
        Written(mark[0] * depth + "1" + mark[1] * depth)
        for mark in ("[]", ('{"a":', "}"))
        for depth in (30, 900, 50_000)
    ),
]
_ODD_NAMES = [
    "",
    "model",
    "stream",
    "messages",
    "prompt",
    "input",
    "role",
    "type",
    "content",
    "$ref",
    "\ud800",
    "a" * 300,
]


def written(value: object) -> str:
    """Write a value as JSON; what is `Written` stands as it is."""
    match value:
        case Written(text=text):
            return text
        case dict():
            members = (f"{json.dumps(name.rstrip(AGAIN))}:{written(one)}" for name, one in value.items())
            return f"{{{','.join(members)}}}"
        case list():
            return f"[{','.join(map(written, value))}]"
        case _:
            return json.dumps(value)


def _paths(value: object, path: Path = ()) -> Iterator[Path]:
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in members:
        yield from _paths(one, (*path, name))


def _changed(value: object, path: Path, change: Callable[[object], object]) -> object:
    """Return the value with what lies at `path` changed."""
    if not path:
        return change(value)
    name, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {key: _changed(one, rest, change) if key == name else one for key, one in value.items()}
    assert isinstance(value, list)
    return [_changed(one, rest, change) if index == name else one for index, one in enumerate(value)]


def _without(value: object, draw: st.DrawFn) -> object:
    if isinstance(value, dict) and value:
        gone = draw(st.sampled_from(sorted(value)))
        return {name: one for name, one in value.items() if name != gone}
    return value[1:] if isinstance(value, list) else None


def _with(value: object, draw: st.DrawFn) -> object:
    odd = draw(st.sampled_from(_ODD_VALUES))
    if isinstance(value, dict):
        return {**value, draw(st.sampled_from([*value, *_ODD_NAMES])) + draw(st.sampled_from(["", AGAIN])): odd}
    return [*value, odd] if isinstance(value, list) else [value, odd]


@st.composite
def values(draw: st.DrawFn, path: str) -> object:
    """Draw a value that is nearly a request for this route."""
    value: object = draw(st.sampled_from(_BASES[path]))
    for _ in range(draw(st.integers(0, 3))):
        value = _changed(value, draw(st.sampled_from(list(_paths(value)))), lambda old: _spoiled(old, draw))
    return value


def _spoiled(value: object, draw: st.DrawFn) -> object:
    match draw(st.sampled_from(["replace", "replace", "remove", "add", "wrap"])):
        case "replace":
            return draw(st.sampled_from(_ODD_VALUES))
        case "remove":
            return _without(value, draw)
        case "add":
            return _with(value, draw)
        case _:
            return [value]


@st.composite
def bodies(draw: st.DrawFn) -> Asked:
    """Draw a body for one of the routes that take one: nearly right, and now and then no text at all."""
    path = draw(st.sampled_from(sorted(_BASES)))
    text = written(draw(values(path)))
    data = text.encode("utf-8", "surrogatepass")
    match draw(st.sampled_from(["as is"] * 12 + ["cut", "marked", "wide", "spoiled", "more", "spaced"])):
        case "cut":
            data = data[: draw(st.integers(0, len(data)))]
        case "marked":
            data = b"\xef\xbb\xbf" + data
        case "wide":
            data = text.encode("utf-16", "surrogatepass")
        case "spoiled":
            place = draw(st.integers(0, len(data)))
            data = (
                data[:place]
                + draw(st.sampled_from([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\0", b"\\", b'"']))
                + data[place:]
            )
        case "more":
            data += draw(st.sampled_from([b"{}", b"\0", b"x", b" \r\n\t", b","]))
        case "spaced":
            data = b" \r\n\t" + data
        case _:
            pass
    return Asked(path, data)


# --- requests that are right ------------------------------------------------------------------------------------------

ORDINARY: Final = "origin: http://127.0.0.1\r\n"
"""A header that sends a model call through the ordinary door."""


def good_requests(mark: str) -> list[bytes]:
    """Return a request of each kind; each answer holds `mark`, or is one of a kind."""
    native = json.dumps({"prompt": mark}).encode()
    return [
        request(CHAT, chat(mark)),
        request(CHAT, chat(mark), chunked=True),
        request(CHAT, chat(mark, stream=True)),
        request(CHAT, chat(mark), more=ORDINARY),
        request(CHAT, chat(mark, stream=True), more=ORDINARY, chunked=True),
        request(MESSAGES, chat(mark)),
        request(MESSAGES, chat(mark, stream=True)),
        request(EMBEDDINGS, json.dumps({"model": "demo/m", "input": mark}).encode()),
        request(COUNT, chat(mark)),
        request(GENERATE, native),
        request(GENERATE, native, chunked=True),
        request(f"/v1/models/{mark}", method="GET"),
        request("/health", method="GET"),
        request(CHAT, chat(mark, model=f"demo/{mark}")),
        request(CHAT, chat(mark), key="sk-wrong-key-of-nobody"),
        request(CHAT, b'{"model": "demo/m", "messages": 5}'),
    ]


@st.composite
def pipelines(draw: st.DrawFn) -> tuple[list[bytes], list[int]]:
    """Draw two to six requests, and where the bytes of all of them are cut."""
    count = draw(st.integers(2, 6))
    requests = [draw(st.sampled_from(good_requests(f"mark-{number}"))) for number in range(count)]
    return requests, draw(cuts(sum(map(len, requests))))


def cuts(length: int) -> st.SearchStrategy[list[int]]:
    """Draw where `length` bytes are cut."""
    return st.lists(st.integers(1, max(1, length - 1)), max_size=6)


@st.composite
def cut_requests(draw: st.DrawFn) -> tuple[bytes, list[int]]:
    """Draw a request, and where it is cut."""
    whole = draw(st.sampled_from(good_requests("mark")))
    return whole, draw(cuts(len(whole)))


# --- heads that are nearly alike --------------------------------------------------------------------------------------

_KEYS = [KEY] * 5 + [OTHER_KEY, KEY[:-1], KEY[:-1] + "0", KEY + "0", KEY.upper(), "", "x" * len(KEY), "\xff" * len(KEY)]
_KEY_FORMS = [("authorization", "Bearer "), ("authorization", "bearer "), ("authorization", ""), ("x-api-key", "")]
_TARGETS_ALIKE = [CHAT] * 16 + [MESSAGES, EMBEDDINGS, COUNT, GENERATE, f"{CHAT}?a=b", f"{CHAT}/", "/health"]
_BASE_HEAD = [("host", "127.0.0.1"), ("authorization", f"Bearer {KEY}"), ("content-type", "application/json")]
_EXTRAS = [
    ("x-other", "1"),
    ("x-other", "2"),
    ("origin", "http://127.0.0.1"),
    ("expect", "something"),
    ("x-narthex-timeout", "30"),
    ("x-narthex-timeout", "never"),
    ("anthropic-version", "2023-06-01"),
    ("authorization", "Bearer sk-wrong-key-of-nobody"),
    ("x-api-key", "sk-wrong-key-of-nobody"),
    ("x-api-key", KEY),
    ("content-length", "1"),
]


_CHANGES = ["same"] * 4 + ["key"] * 4 + ["extra", "extra", "case", "order", "space", "gone"]


@st.composite
def _heads(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Draw headers: the usual ones, mostly with one thing different."""
    headers = list(_BASE_HEAD)
    match draw(st.sampled_from(_CHANGES)):
        case "key":
            name, prefix = draw(st.sampled_from(_KEY_FORMS))
            headers[1] = (name, prefix + draw(st.sampled_from(_KEYS)))
        case "extra":
            headers.insert(draw(st.integers(0, 3)), draw(st.sampled_from(_EXTRAS)))
        case "case":
            headers = [(draw(st.sampled_from([str.upper, str.title]))(name), value) for name, value in headers]
        case "order":
            headers = draw(st.permutations(headers))
        case "space":
            headers = [(name, value + draw(st.sampled_from(["", " ", "\t"]))) for name, value in headers]
        case "gone":
            headers.pop(draw(st.integers(0, 2)))
        case _:
            pass
    return headers


@st.composite
def _alike(draw: st.DrawFn) -> bytes:
    headers, target = draw(_heads()), draw(st.sampled_from(_TARGETS_ALIKE))
    body = chat(draw(st.sampled_from(["a", "b", "cd", "long " * 30])))
    lines = [f"{name}: {value}" for name, value in headers]
    method, version = draw(st.sampled_from([("POST", "HTTP/1.1")] * 12 + [("GET", "HTTP/1.1"), ("PUT", "HTTP/1.1")]))
    if draw(st.integers(0, 9)) == 0:
        lines.append("transfer-encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        lines.insert(draw(st.sampled_from([len(lines), 0])), f"content-length: {len(body)}")
    return "\r\n".join([f"{method} {target} {version}", *lines, "", ""]).encode("latin-1") + body


conversations = st.lists(_alike(), min_size=2, max_size=8)
"""Requests for one connection, one after the other."""
