"""First answers: whether an answer is the one that the provider gave, and how long a gateway takes to give one."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.kit.native import HOST

LAST_WORDS = "That is all."
"""How the provider's whole answer ends."""
TEXT_EVENTS = 50
POLL_S = 0.002


class WrongAnswer(Exception):
    """A gateway's answer is not the one that the provider gave; the message says in what."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the load client can check of each answer."""

    answer_bytes: int
    events: int


def ask(port: int, body: bytes, headers: Mapping[str, str], *, timeout_s: float = 30) -> bytes:
    """Post one request; return the body of its answer, if that is 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout_s)
    try:
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        answer = response.read()
    except http.client.HTTPException as error:
        raise WrongAnswer(f"no HTTP answer: {error!r}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise WrongAnswer(f"status {response.status}: {answer[:300].decode(errors='replace')}")
    return answer


def check_whole(answer: bytes) -> None:
    """Raise WrongAnswer unless the answer holds the provider's text to its end, and its usage."""
    try:
        fields = json.loads(answer)
        text, usage = fields["choices"][0]["message"]["content"], fields["usage"]["total_tokens"]
    except (ValueError, LookupError, TypeError) as error:
        raise WrongAnswer(f"not a chat completion: {answer[:200]!r}") from error
    if not text.endswith(LAST_WORDS) or usage != 280:
        raise WrongAnswer(f"not the provider's answer: {answer[:200]!r}")


def check_stream(answer: bytes, texts: int = TEXT_EVENTS) -> int:
    """Raise WrongAnswer unless the stream holds every word in its order and ends as it should; return its events."""
    data = [line[5:].strip() for line in answer.replace(b"\r\n", b"\n").split(b"\n") if line.startswith(b"data:")]
    if not data or data[-1] != b"[DONE]":
        raise WrongAnswer(f"the stream does not end with [DONE]: {answer[-200:]!r}")
    try:
        deltas = [choice["delta"] for item in data[:-1] for choice in json.loads(item)["choices"][:1]]
    except (ValueError, LookupError, TypeError) as error:
        raise WrongAnswer(f"an event is no chunk of a chat completion: {answer[:200]!r}") from error
    words = "".join(delta.get("content") or "" for delta in deltas).split()
    if [word.rstrip("x") for word in words] != [f"word{number % TEXT_EVENTS:04d}" for number in range(texts)]:
        raise WrongAnswer(f"words are missing or out of order: {words[:3]} … {words[-3:]}, {len(words)} in all")
    return len(data)


def shape_of(port: int, body: bytes, headers: Mapping[str, str], *, texts: int) -> Shape:
    """Ask twice, check both answers by their meaning, and return what they have in common.

    Args:
        port: Of the target.
        body: What it is asked.
        headers: With what it is asked.
        texts: Events with text that a stream must have; 0 where the answer is whole.
    """
    answers = [ask(port, body, headers) for _ in range(2)]
    if texts:
        events = {check_stream(answer, texts) for answer in answers}
        if len(events) > 1:
            raise WrongAnswer(f"two equal requests were answered with {sorted(events)} events")
    else:
        events = {0}
        for answer in answers:
            check_whole(answer)
    lengths = {len(answer) for answer in answers}
    return Shape(lengths.pop() if len(lengths) == 1 else 0, events.pop())


def wait_for(attempt: Callable[[], bool], *, alive: Callable[[], bool], begin_s: float, limit_s: float) -> float | None:
    """Try until it works; return the seconds since `begin_s`, or nothing if the time is up or the program has ended."""
    while time.monotonic() - begin_s < limit_s and alive():
        try:
            if attempt():
                return time.monotonic() - begin_s
        except (OSError, WrongAnswer):
            pass
        time.sleep(POLL_S)
    return None


def is_ready(port: int, path: str) -> bool:
    """Say whether a GET is answered 200."""
    with socket.create_connection((HOST, port), timeout=2) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
        return connection.recv(64).startswith(b"HTTP/1.1 200 ")


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])
