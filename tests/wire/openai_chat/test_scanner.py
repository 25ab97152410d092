"""Streams that pass through: frame for frame the same, and judged as the parser judges them."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings

from narthex.types.events import Ended, Event, Failed, Started, UsageReported
from narthex.types.usage import Usage
from narthex.wire.contract import BrokenStream, MalformedStream, StreamFailed, TruncatedStream
from narthex.wire.openai_chat import OPENAI_CHAT
from narthex.wire.openai_chat.chunks import is_json
from narthex.wire.openai_chat.scanner import OpenAIChatScanner
from narthex.wire.sse import SseParser
from tests.wire.openai_chat.strategies import cuts, pieces, streams

HEAD = b'data: {"id":"c-1","model":"m-1","choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}\n\n'
FINISH = b'data: {"id":"c-1","model":"m-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"id":"c-1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\n'
DONE = b"data: [DONE]\n\n"


def text(said: str, *, index: int = 0) -> bytes:
    """A frame that says something."""
    content = json.dumps(said, ensure_ascii=False)
    choice = f'{{"index":{index},"delta":{{"content":{content}}},"finish_reason":null}}'
    return f'data: {{"id":"c-1","model":"m-1","choices":[{choice}]}}\n\n'.encode()


@dataclass
class Verdict:
    """How a stream is judged."""

    end: str
    usage: Usage | None
    model: str | None
    passed: bytes = b""


def scanned(stream: list[bytes], *, hide_usage: bool = False) -> Verdict:
    """Let a scanner judge a stream."""
    scanner = OPENAI_CHAT.scanner(hide_usage=hide_usage)
    passed = b""
    try:
        for piece in stream:
            passed += scanner.feed(piece)
        passed += scanner.close()
    except StreamFailed as failed:
        return Verdict(f"failed: {failed}", scanner.usage, scanner.model or None, passed + failed.frames)
    except BrokenStream as broken:
        return Verdict(f"{type(broken).__name__}: {broken}", scanner.usage, scanner.model or None, passed)
    assert scanner.complete
    return Verdict("whole", scanner.usage, scanner.model or None, passed)


def parsed(stream: list[bytes]) -> Verdict:
    """Let a parser judge a stream."""
    parser = OPENAI_CHAT.parser()
    events: list[Event] = []
    end = ""
    try:
        for piece in stream:
            events += parser.feed(piece)
        events += parser.close()
    except BrokenStream as broken:
        end = f"{type(broken).__name__}: {broken}"
    for event in events:
        if isinstance(event, Failed):
            end = f"failed: {event.message}"
        elif isinstance(event, Ended):
            end = "whole"
    model = next((event.model for event in events if isinstance(event, Started)), None)
    usage = next((event.usage for event in events if isinstance(event, UsageReported)), None)
    return Verdict(end, usage, model or None)


@settings(max_examples=400)
@given(streams, cuts)
@example(HEAD + text("a") + text('b"') + text('c\\"') + FINISH + DONE, [])
@example(HEAD + text("a") + text("b", index=1) + text("c", index=1) + FINISH + DONE, [1])
def test_scanner_and_parser_judge_alike(stream: bytes, places: list[int]) -> None:
    """For any stream in any pieces the two agree on end, usage and model."""
    cut = pieces(stream, places)
    by_scanner, by_parser = scanned(cut), parsed(cut)
    assert by_scanner.end == by_parser.end
    if by_scanner.end == "whole":
        assert (by_scanner.usage, by_scanner.model) == (by_parser.usage, by_parser.model)


def frames_of(stream: bytes) -> list[bytes]:
    """Cut a stream into its frames, whatever ends their lines.

    Half of a line end that was cut in two, behind a frame that was taken out, is no part of the next one.
    """
    frames = [frame.lstrip(b"\r\n") for frame in re.split(rb"(?:\r\n|\n|\r){2}", stream)]
    return [frame for frame in frames if frame]


def missing(came: list[bytes], passed: list[bytes]) -> list[bytes]:
    """Return the frames that did not pass."""
    return list((Counter(came) - Counter(passed)).elements())


def is_skipped(frame: bytes) -> bool:
    """Tell whether a frame may be left out: it is no JSON, or says too early that the answer is over."""
    return all(b"[DONE]" in event.data or not is_json(event.data) for event in SseParser().feed(frame + b"\n\n"))


@settings(max_examples=300)
@given(streams, cuts)
@example(b'data: {broken\r\n\r\ndata: {"id":"","choices":[],"usage":null}\r\n\r\ndata: [DONE]\n\n', [16])
def test_what_passes_is_what_came(stream: bytes, places: list[int]) -> None:
    """Frames pass unchanged and in order, but for those that are no JSON and a `[DONE]` that comes before the end."""
    verdict = scanned(pieces(stream, places))
    came, passed = frames_of(stream + b"\n\n"), frames_of(verdict.passed)
    rest = iter(came)
    assert all(frame in rest for frame in passed)
    if verdict.end == "whole":
        assert all(is_skipped(frame) for frame in missing(came, passed))


@given(streams, cuts)
def test_pieces_do_not_matter(stream: bytes, places: list[int]) -> None:
    """A stream in one piece and in many gives the same verdict, and if it is whole the same events."""
    for hide_usage in (False, True):
        cut = scanned(pieces(stream, places), hide_usage=hide_usage)
        uncut = scanned([stream], hide_usage=hide_usage)
        assert (cut.end, cut.usage, cut.model) == (uncut.end, uncut.usage, uncut.model)
        if cut.end == "whole":
            # Half of a line end that was cut in two may leave with a hidden frame, or stay without it.
            assert SseParser().feed(cut.passed) == SseParser().feed(uncut.passed)
            assert cut.passed == uncut.passed or hide_usage


def test_a_whole_stream_in_full() -> None:
    """Usage, model, end and number of frames are known at the end."""
    scanner = OpenAIChatScanner()
    stream = HEAD + text("a") + text("b") * 5 + FINISH + USAGE + DONE
    assert scanner.feed(stream) == stream
    assert scanner.complete
    assert scanner.model == "m-1"
    assert scanner.usage == Usage(input_tokens=3, output_tokens=4)
    assert scanner.events == 10
    assert scanner.close() == b""


def test_hides_the_frame_that_holds_only_usage() -> None:
    """The usage that we asked for is read and taken out, whatever stands beside it."""
    scanner = OpenAIChatScanner(hide_usage=True)
    assert scanner.feed(HEAD + text("a") + FINISH + USAGE + DONE) == HEAD + text("a") + FINISH + DONE
    assert scanner.usage == Usage(input_tokens=3, output_tokens=4)
    assert scanner.events == 4


def test_usage_beside_text_is_not_hidden() -> None:
    """A frame with a choice in it is the answer's, even with usage."""
    both = FINISH.replace(b"}]}", b'}],"usage":{"prompt_tokens":1}}')
    scanner = OpenAIChatScanner(hide_usage=True)
    assert scanner.feed(HEAD + both + DONE) == HEAD + both + DONE
    assert scanner.usage == Usage(input_tokens=1)


def test_a_finish_without_done_is_whole_at_the_close() -> None:
    """Ending the response behind the last finish reason is an end."""
    scanner = OpenAIChatScanner()
    scanner.feed(HEAD + FINISH)
    assert not scanner.complete
    assert scanner.close() == b""
    assert scanner.complete


def test_a_last_frame_without_blank_line_counts_and_gets_one() -> None:
    """What is counted here must be seen by the client too."""
    scanner = OpenAIChatScanner()
    assert scanner.feed(HEAD + FINISH.strip()) == HEAD
    assert scanner.close() == FINISH


@pytest.mark.parametrize("stream", [HEAD, HEAD + text("a") + DONE, HEAD + FINISH + text("x", index=1), DONE, USAGE])
def test_a_stream_without_its_end_is_truncated(stream: bytes) -> None:
    """No finish reason, or not one for each choice: cut, whatever `[DONE]` says."""
    scanner = OpenAIChatScanner()
    scanner.feed(stream)
    with pytest.raises(TruncatedStream):
        scanner.close()
    assert not scanner.complete


@pytest.mark.parametrize("stream", [b"", b"<html>\n\n</html>", b'{"error":"x"}', b"data: {}\n\n", b": hi\n\n"])
def test_what_is_not_this_dialect_is_malformed(stream: bytes) -> None:
    """A page, a bare body or nothing at all is no stream."""
    scanner = OpenAIChatScanner()
    scanner.feed(stream)
    with pytest.raises(MalformedStream):
        scanner.close()


def test_a_failure_gives_what_came_before_it() -> None:
    """The error's own frame is not passed on; ours will say it."""
    scanner = OpenAIChatScanner()
    failure = b'data: {"error":{"message":"overloaded","code":"server_overloaded","type":"x"}}\n\n'
    with pytest.raises(StreamFailed) as caught:
        scanner.feed(HEAD + text("a") + failure + text("b"))
    assert caught.value.frames == HEAD + text("a")
    assert (caught.value.message, caught.value.code, caught.value.kind) == ("overloaded", "server_overloaded", "x")


@pytest.mark.parametrize(
    "finish",
    [
        FINISH.replace(b'"finish_reason":"stop"', b'"finish_reason" : "stop"'),
        FINISH.replace(b'"finish_reason"', b'"finish\\u005freason"'),
        FINISH.replace(b'"finish_reason"', b'\ndata: "finish_reason"'),
        FINISH.replace(b"\n\n", b"\r\n\r\n"),
        FINISH.replace(b'"delta":{}', b'"delta":{"content":"x"}'),
        FINISH.replace(b'"delta":{},"finish_reason":"stop"', b'"finish_reason":"stop","delta":{"content":"x"}'),
    ],
)
def test_no_spelling_of_the_end_is_missed(finish: bytes) -> None:
    """Spaces, escapes, order and line ends do not hide a finish reason."""
    scanner = OpenAIChatScanner()
    for frame in (HEAD, text("a"), text("b"), finish):
        assert scanner.feed(frame) == frame
    scanner.feed(DONE)
    assert scanner.complete


def test_what_is_said_is_never_taken_for_structure() -> None:
    """Text that quotes an end, an error or usage is only text."""
    scanner = OpenAIChatScanner()
    scanner.feed(HEAD + text("a"))
    for said in (
        '"finish_reason":"stop"',
        '{"error":{"message":"x"}}',
        "[DONE]",
        '","usage":{"prompt_tokens":9}',
        "\\",
        '\\"',
    ):
        assert scanner.feed(text(said)) == text(said)
    assert scanner.usage is None
    with pytest.raises(TruncatedStream):
        scanner.close()


def test_a_second_choice_hidden_between_two_templates_is_seen() -> None:
    """A frame that begins and ends like one already read, with more structure in the middle, is read."""
    scanner = OpenAIChatScanner()
    scanner.feed(HEAD + text("a"))
    sly = text("SPLIT").replace(b"SPLIT", b'x"},"finish_reason":"stop"},{"index":1,"delta":{"content":"y')
    scanner.feed(sly + DONE)
    with pytest.raises(TruncatedStream, match="choice 1"):
        scanner.close()


def test_a_malformed_event_is_skipped() -> None:
    """One that is no JSON would break a client: the rest arrives whole."""
    broken = b'data: {"id":"c-1","choices":[{"delta":{"con\n\n'
    verdict = scanned([HEAD + text("a") + broken + text("b") + FINISH + USAGE + DONE])
    assert (verdict.end, verdict.passed) == ("whole", HEAD + text("a") + text("b") + FINISH + USAGE + DONE)
    odd = b'data: {"type":"ping"}\n\n'
    assert scanned([HEAD + odd + FINISH + DONE]).passed == HEAD + odd + FINISH + DONE


def test_an_end_is_known_before_the_provider_says_so() -> None:
    """Once all choices have ended only the closing mark is missing."""
    scanner = OpenAIChatScanner()
    seen: list[tuple[bool, bool]] = []
    for frames in (HEAD + text("a"), FINISH, DONE):
        scanner.feed(frames)
        seen.append((scanner.finished, scanner.complete))
    assert seen == [(False, False), (True, False), (True, True)]
