"""Through both doors: several models are asked, and their answers are made one."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple, cast

import anthropic
import httpx
import openai
import pytest
from anthropic.types import MessageParam
from openai.types.chat import ChatCompletionMessageParam

from narthex.testing.acts import Answer, Stall, cut_after, delayed, silent, streamed, then, whole
from narthex.testing.upstream import ReceivedRequest, Responder, ScriptedUpstream
from narthex.testing.wires import anthropic_answer, anthropic_frames, openai_answer, openai_error, openai_frames
from tests.gateways import RunningGateway, running

FIRST, SECOND = "Ships pass at night.", "Nobody counts the lamps of the harbour."
MESSAGES: Final[list[ChatCompletionMessageParam]] = [{"role": "user", "content": "Tell me."}]
TOLD: Final[list[MessageParam]] = [{"role": "user", "content": "Tell me."}]
MODEL: Final = "merge:one/m,two/n"
BODY: Final[dict[str, object]] = {"model": MODEL, "messages": MESSAGES, "stream": True}


def openly(text: str, *, wait_s: float = 0.0, pace_s: float = 0.0) -> Responder:
    """Return who says this in OpenAI's dialect, after a wait and at a pace."""

    def respond(request: ReceivedRequest) -> Answer:
        answer = (
            streamed(openai_frames(text), delay_s=pace_s)
            if request.json().get("stream")
            else whole(openai_answer(text))
        )
        return delayed(answer, wait_s) if wait_s else answer

    return respond


def otherwise(text: str, *, wait_s: float = 0.0, pace_s: float = 0.0) -> Responder:
    """Return who says this in Anthropic's dialect, after a wait and at a pace."""

    def respond(request: ReceivedRequest) -> Answer:
        answer = (
            streamed(anthropic_frames(text), delay_s=pace_s)
            if request.json().get("stream")
            else whole(anthropic_answer(text))
        )
        return delayed(answer, wait_s) if wait_s else answer

    return respond


class House(NamedTuple):
    """A server, and who stands behind it."""

    gateway: RunningGateway
    one: ScriptedUpstream
    two: ScriptedUpstream
    judge: ScriptedUpstream

    @property
    def chat(self) -> str:
        """The address of OpenAI's chats."""
        return f"{self.gateway.url}/v1/chat/completions"

    @property
    def openai(self) -> openai.OpenAI:
        """OpenAI's SDK, which retries nothing itself."""
        return openai.OpenAI(base_url=f"{self.gateway.url}/v1", api_key="none", max_retries=0)

    @property
    def anthropic(self) -> anthropic.Anthropic:
        """Anthropic's SDK, which retries nothing itself."""
        return anthropic.Anthropic(base_url=self.gateway.url, api_key="none", max_retries=0)

    def lines(self, count: int) -> list[dict[str, object]]:
        """Wait for so many lines of the request log, and return them all."""
        log = self.gateway.settings.data_dir / "logs" / "requests.jsonl"
        for _ in range(250):
            lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
            if len(lines) >= count:
                return lines
            time.sleep(0.02)
        raise AssertionError(f"there are not {count} lines")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Run a server with a provider of each wire, and a judge."""
    with ExitStack() as stack:
        one, two, judge = (stack.enter_context(ScriptedUpstream()) for _ in range(3))
        one.responder, two.responder, judge.responder = openly(FIRST), otherwise(SECOND), openly('{"best": 1}')
        providers = {
            "one": {"kind": "openai", "base_url": f"{one.url}/v1", "models": ["m"]},
            "two": {"kind": "anthropic", "base_url": two.url, "models": ["n"]},
            "court": {"kind": "openai", "base_url": f"{judge.url}/v1", "models": ["j"]},
        }
        merges = {
            "quick": {"models": ["one/m", "two/n"]},
            "both": {"models": ["one/m", "two/n"], "mode": "sequence"},
            "best": {"models": ["one/m", "two/n"], "mode": "best_of", "judge": "court/j", "criteria": "The kinder."},
        }
        answers = [{"models": ["quick"], "text": "Nobody is there."}]
        gateway = stack.enter_context(running(tmp_path, providers=providers, merges=merges, answers=answers))
        yield House(gateway, one, two, judge)


def events_of(text: str) -> list[dict[str, object]]:
    """Return the data of the events of a stream, without its closing mark."""
    data = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(one) for one in data if one != "[DONE]"]


def sources_of(told: dict[str, object]) -> list[dict[str, object]]:
    """Return what is told of each source."""
    return cast("list[dict[str, object]]", told["sources"])


# -- interleave --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ordinary", [False, True])
def test_interleaved_each_is_a_choice(house: House, *, ordinary: bool) -> None:
    """Each model is a choice of its own, every chunk tells its source, and the usage is that of all."""
    house.one.responder, house.two.responder = openly(FIRST, pace_s=0.01), otherwise(SECOND, pace_s=0.01)
    headers = {"x-narthex-merge": "interleave", **({"origin": house.gateway.url} if ordinary else {})}
    raw = house.openai.chat.completions.with_raw_response.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}, extra_headers=headers
    )
    assert raw.headers["x-narthex-sources"] == "one/m, two/n"
    assert raw.headers["x-narthex-merge"] == "interleave"
    said, order = {0: "", 1: ""}, []
    usage = None
    for chunk in raw.parse():
        for choice in chunk.choices:
            said[choice.index] += choice.delta.content or ""
            order.append(choice.index)
            assert (chunk.model_extra or {})["narthex"]["source"] == ("one/m", "two/n")[choice.index]
        usage = chunk.usage or usage
    assert said == {0: FIRST, 1: SECOND}
    assert order != sorted(order)
    assert usage is not None
    first, second, parent = house.lines(3)
    assert first["merged_into"] == second["merged_into"] == parent["request_id"]
    assert usage.completion_tokens == cast("int", first["output_tokens"]) + cast("int", second["output_tokens"])
    assert "output_tokens" not in parent
    assert parent["merge"] == {"mode": "interleave", "sources": ["one/m", "two/n"]}


def test_interleaved_whole(house: House) -> None:
    """Not streamed, it is an answer with several choices."""
    answer = house.openai.chat.completions.create(
        model=MODEL, messages=MESSAGES, extra_headers={"x-narthex-merge": "interleave"}
    )
    assert [choice.message.content for choice in answer.choices] == [FIRST, SECOND]
    told = (answer.model_extra or {})["narthex"]
    assert [one["source"] for one in sources_of(told)] == ["one/m", "two/n"]


def test_a_choice_that_breaks_is_marked_and_the_rest_goes_on(house: House) -> None:
    """The choice of a model that fails ends in an error of its own, streamed and whole."""
    house.two.always(cut_after(streamed(anthropic_frames(SECOND)), sends=5))
    for stream in (True, False):
        told = httpx.post(house.chat, json=BODY | {"stream": stream}, headers={"x-narthex-merge": "interleave"})
        assert told.status_code == 200
        chunks = events_of(told.text) if stream else [told.json()]
        choices = [choice for chunk in chunks for choice in cast("list[dict[str, object]]", chunk["choices"])]
        reasons = {choice["index"]: choice["finish_reason"] for choice in choices if choice["finish_reason"]}
        assert reasons == {0: "stop", 1: "error"}
        marks = [chunk.get("narthex", {}) for chunk in (chunks if stream else choices)]
        assert any("error" in mark for mark in cast("list[dict[str, object]]", marks))
    assert told.json()["choices"][0]["message"]["content"] == FIRST


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses"])
def test_dialects_with_one_choice_are_told_the_remedy(house: House, path: str) -> None:
    """Where answers cannot be interleaved, the error names what can be done instead."""
    body = (
        {"model": MODEL, "messages": MESSAGES, "max_tokens": 9}
        if "messages" in path
        else {"model": MODEL, "input": "x"}
    )
    told = httpx.post(f"{house.gateway.url}{path}", json=body, headers={"x-narthex-merge": "interleave"})
    assert told.status_code == 400
    assert "/v1/streams/merge" in told.text


# -- race --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
def test_who_speaks_first_wins(house: House, *, stream: bool) -> None:
    """One plain answer comes; the other call is ended at once, and what it may cost is on its own line."""
    house.one.responder = lambda _request: then(streamed(openai_frames("")[:1], ended=False), Stall())
    told = httpx.post(house.chat, json=BODY | {"stream": stream, "stream_options": {"include_usage": True}})
    assert told.status_code == 200
    assert told.headers["x-narthex-model"] == "two/n"
    assert told.headers["x-narthex-attempts"] == "one/m merge cancelled, two/n merge ok"
    house.one.wait_for(lambda: house.one.abandoned == 1)
    text = (
        "".join(
            cast("dict[str, dict[str, str]]", choice)["delta"].get("content") or ""
            for chunk in events_of(told.text)
            for choice in cast("list[object]", chunk["choices"])
        )
        if stream
        else told.json()["choices"][0]["message"]["content"]
    )
    assert text == SECOND
    usage = cast("dict[str, int]", events_of(told.text)[-1]["usage"] if stream else told.json()["usage"])
    lines = {line["model"]: line for line in house.lines(3) if "merged_into" in line}
    assert lines["one/m"]["code"] == "cancelled"
    assert lines["one/m"]["estimated"] is True
    inputs = sum(cast("int", line["input_tokens"]) for line in lines.values())
    outputs = sum(cast("int", line["output_tokens"]) for line in lines.values())
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (inputs, outputs)
    assert "rescued" not in house.lines(3)[-1]


def test_a_race_goes_on_without_who_fails(house: House) -> None:
    """A model that refuses leaves the race to the others, in every dialect."""
    house.one.always(whole(openai_error("busy"), status=503))
    with house.anthropic.messages.stream(model="quick", messages=TOLD, max_tokens=99) as stream:
        assert "".join(stream.text_stream) == SECOND
        assert stream.get_final_message().stop_reason == "end_turn"
    response = house.openai.responses.create(model="quick", input="Tell me.")
    assert response.output_text == SECOND
    events = list(house.openai.responses.create(model="quick", input="Tell me.", stream=True))
    assert events[-1].type == "response.completed"


def test_an_answer_that_breaks_after_it_won_is_broken(house: House) -> None:
    """Nothing is made up for the winner's missing end."""
    house.one.always(cut_after(streamed(openai_frames(FIRST)), sends=4))
    house.two.always(silent())
    told = httpx.post(house.chat, json=BODY)
    assert "error" in events_of(told.text)[-1]
    assert "[DONE]" not in told.text


@pytest.mark.parametrize("mode", ["interleave", "race", "sequence", "best_of"])
@pytest.mark.parametrize("stream", [True, False])
def test_all_failing_is_one_error(house: House, mode: str, *, stream: bool) -> None:
    """It tells how each has failed, with the status where they agree."""
    house.one.always(whole(openai_error("busy one"), status=503))
    house.two.always(whole(openai_error("busy two"), status=503))
    headers = {"x-narthex-merge": mode, "x-narthex-judge": "court/j"}
    told = httpx.post(house.chat, json=BODY | {"stream": stream}, headers=headers)
    assert told.status_code == 503
    assert told.headers["x-narthex-attempts"] == "one/m merge overloaded, two/n merge overloaded"
    message = told.json()["error"]["message"]
    assert "busy one" in message
    assert "two/n" in message


def test_a_registered_answer_stands_in_for_all(house: House) -> None:
    """It is given when all have failed, and never runs in the race itself."""
    house.one.always(whole(openai_error("busy"), status=503))
    told = httpx.post(house.chat, json=BODY | {"model": "quick", "stream": False})
    assert told.json()["choices"][0]["message"]["content"] == SECOND
    house.two.always(whole(openai_error("busy"), status=503))
    told = httpx.post(house.chat, json=BODY | {"model": "quick", "stream": False})
    assert told.headers["x-narthex-fallback"] == "static"


# -- sequence ----------------------------------------------------------------------------------------------------------


def test_one_after_the_other(house: House) -> None:
    """The second is asked when the first has ended, and the seam is told; in each dialect it is one answer."""
    told = httpx.post(house.chat, json=BODY | {"model": "both"})
    chunks = events_of(told.text)
    seams = [chunk for chunk in chunks if cast("dict[str, object]", chunk.get("narthex") or {}).get("seam")]
    assert len(seams) == 1
    assert house.two.requests[0].at > house.one.requests[0].at
    answer = house.openai.chat.completions.create(model="both", messages=MESSAGES)
    assert answer.choices[0].message.content == f"{FIRST}\n\n{SECOND}"
    message = house.anthropic.messages.create(model="both", messages=TOLD, max_tokens=99)
    assert "".join(block.text for block in message.content if block.type == "text") == f"{FIRST}\n\n{SECOND}"
    with house.anthropic.messages.stream(model="both", messages=TOLD, max_tokens=99) as stream:
        assert "".join(stream.text_stream) == f"{FIRST}\n\n{SECOND}"
    events = house.openai.responses.create(model="both", input="Tell me.", stream=True)
    assert "".join(one.delta for one in events if one.type == "response.output_text.delta") == f"{FIRST}\n\n{SECOND}"


def test_a_sequence_tells_who_failed(house: House) -> None:
    """It goes on with the next, and the failure stands where the answer would."""
    house.one.always(whole(openai_error("busy"), status=503))
    told = httpx.post(house.chat, json=BODY | {"model": "both"})
    marks = [cast("dict[str, object]", chunk.get("narthex") or {}) for chunk in events_of(told.text)]
    assert [mark["source"] for mark in marks if "error" in mark] == ["one/m"]
    whole_answer = httpx.post(house.chat, json=BODY | {"model": "both", "stream": False}).json()
    assert whole_answer["choices"][0]["message"]["content"] == SECOND
    assert [one["outcome"] for one in whole_answer["narthex"]["sources"]] == ["overloaded", "ok"]


# -- best of -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
def test_a_judge_chooses(house: House, *, stream: bool) -> None:
    """The chosen answer is given, the verdict and everybody's usage are told, the judge's too."""
    told = httpx.post(house.chat, json=BODY | {"model": "best", "stream": stream})
    assert told.headers["x-narthex-model"] == "two/n"
    assert told.headers["x-narthex-verdict"] == "verdict"
    assert ("x-narthex-stream" in told.headers) == stream
    narthex = cast("dict[str, object]", events_of(told.text)[-1]["narthex"] if stream else told.json()["narthex"])
    assert [one["source"] for one in sources_of(narthex)] == ["one/m", "two/n", "court/j"]
    asked = house.judge.requests[0].json()
    assert cast("dict[str, object]", asked["response_format"])["type"] == "json_schema"
    assert "The kinder." in json.dumps(asked["messages"])
    lines = house.lines(4)
    assert [line["model"] for line in lines].count("court/j") == 1
    assert all("merged_into" in line for line in lines[:3])


@pytest.mark.parametrize(
    ("verdict", "how", "text"),
    [
        ('Sure! ```json\n{"best": 1}\n```', "repaired", SECOND),
        ("The second one.", "fallback", FIRST),
        ('{"best": 7}', "fallback", FIRST),
        (None, "fallback", FIRST),
    ],
)
def test_a_bad_verdict_is_told(house: House, verdict: str | None, how: str, text: str) -> None:
    """A verdict is mended where that is safe; without one the first answer is given; both are told."""
    if verdict is None:
        house.judge.always(whole(openai_error("no"), status=500))
    else:
        house.judge.responder = openly(verdict)
    told = httpx.post(house.chat, json=BODY | {"model": "best", "stream": False})
    assert told.headers["x-narthex-verdict"] == how
    assert told.json()["choices"][0]["message"]["content"] == text


def test_one_answer_needs_no_judge(house: House) -> None:
    """Where only one is left it is given, and nobody is asked."""
    house.one.always(whole(openai_error("busy"), status=503))
    told = httpx.post(house.chat, json=BODY | {"model": "best", "stream": False})
    assert told.headers["x-narthex-verdict"] == "only"
    assert told.json()["choices"][0]["message"]["content"] == SECOND
    assert not house.judge.requests


# -- around them -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["interleave", "race", "sequence", "best_of"])
@pytest.mark.parametrize("begun", [True, False])
def test_a_caller_who_leaves_ends_all(house: House, mode: str, *, begun: bool) -> None:
    """Within a moment nobody is asked any more, and each call is settled once."""
    slow = 0.05 if begun else 20.0
    text = "word " * 200
    house.one.responder = openly(text, pace_s=slow)
    house.two.responder = otherwise(text, pace_s=slow)
    if mode == "best_of":
        house.one.responder = house.two.responder = lambda _request: silent()
    headers = {"x-narthex-merge": mode, "x-narthex-judge": "court/j"}
    left = contextlib.suppress(httpx.ReadTimeout)
    with left, httpx.stream("POST", house.chat, json=BODY, headers=headers, timeout=0.6) as told:
        next(told.iter_bytes())
    asked = [one for one in (house.one, house.two) if one.requests]
    for one in asked:
        one.wait_for(lambda one=one: one.abandoned == 1)  # type: ignore[misc]  # bound at once
    expected = len(asked) + 1 if mode != "race" or not begun else 3
    lines = house.lines(expected)
    time.sleep(0.1)
    assert len(house.lines(expected)) == len(lines)
    assert {line["code"] for line in lines} == {"cancelled"}


@pytest.mark.parametrize(
    ("model", "headers", "status", "word"),
    [
        ("merge:one/m", {}, 400, "2 to 8"),
        ("merge:" + ",".join(["one/m"] * 9), {}, 400, "2 to 8"),
        ("merge:one/m,", {}, 400, "no name"),
        ("merge:one/m,two/\u00fc", {}, 400, "no name"),
        ("merge:one/m,two/n\r\nx: y", {}, 400, "no name"),
        ("merge:one/m,quick", {}, 400, "several"),
        ("merge:one/m,two/nothing", {}, 404, "nothing"),
        (MODEL, {"x-narthex-merge": "vote"}, 400, "best_of"),
        (MODEL, {"x-narthex-merge": "best_of"}, 400, "x-narthex-judge"),
        (MODEL, {"x-narthex-merge": "best_of", "x-narthex-judge": "court/x"}, 404, "court/x"),
    ],
)
def test_what_cannot_be_served(house: House, model: str, headers: dict[str, str], status: int, word: str) -> None:
    """Each fault is an error that names the remedy, and nobody is asked."""
    told = httpx.post(house.chat, json=BODY | {"model": model}, headers=headers)
    assert told.status_code == status
    assert word in told.json()["error"]["message"]
    assert not house.one.requests


def test_vectors_and_several_answers_are_no_chats(house: House) -> None:
    """Embeddings of several models, and several answers of each, are refused."""
    url = f"{house.gateway.url}/v1/embeddings"
    assert httpx.post(url, json={"model": MODEL, "input": "x"}).status_code == 400
    assert httpx.post(house.chat, json=BODY | {"n": 2}).status_code == 400


def test_the_names_are_listed(house: House) -> None:
    """Names of the configuration stand among the models."""
    names = [model.id for model in house.openai.models.list()]
    assert {"quick", "both", "best"} <= set(names)
    assert house.openai.models.retrieve("quick").id == "quick"


def test_a_merged_stream_is_kept_like_any_other(house: House) -> None:
    """It is resumed behind any event, and what comes again is what came first, byte for byte."""
    for mode in ("interleave", "sequence", "best_of"):
        name = f"kept-{mode}-0001"
        headers = {"x-narthex-merge": mode, "x-narthex-judge": "court/j", "x-narthex-stream-id": name}
        told = httpx.post(house.chat, json=BODY, headers=headers)
        assert told.headers["x-narthex-stream-id"] == name
        parts = [f"{part}\n\n" for part in told.text.split("\n\n") if part]
        url = f"{house.gateway.url}/v1/streams/{name}"
        assert httpx.get(url, params={"after": 3}).text == "".join(parts[3:])
        report = httpx.get(url).json()
        assert report["status"] == "done"
        assert report["usage"]["output_tokens"] > 0


def test_a_merged_stream_is_paused(house: House) -> None:
    """While it is paused its models are held, and it goes on to its end when it is resumed."""
    house.one.responder, house.two.responder = openly(FIRST, pace_s=0.1), otherwise(SECOND, pace_s=0.1)
    headers = {"x-narthex-merge": "interleave", "x-narthex-stream-id": "paused-0001"}
    url = f"{house.gateway.url}/v1/streams/paused-0001"
    with httpx.stream("POST", house.chat, json=BODY, headers=headers) as told:
        pieces = told.iter_bytes()
        first = next(pieces)
        assert httpx.post(f"{url}/pause").json()["status"] == "paused"
        assert httpx.post(f"{url}/resume").json()["status"] == "running"
        text = (first + b"".join(pieces)).decode()
    said = {0: "", 1: ""}
    for chunk in events_of(text):
        for choice in cast("list[dict[str, object]]", chunk["choices"]):
            delta = cast("dict[str, str]", choice["delta"])
            said[cast("int", choice["index"])] += delta.get("content") or ""
    assert said == {0: FIRST, 1: SECOND}
