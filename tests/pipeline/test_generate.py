"""A prompt in; a text, a document or a value out, or an honest error."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import InvalidRequest, TruncatedAnswer, UnformedAnswer
from narthex.pipeline.generate import LONG_TEXT, GenerateRequest, Generation, Generator, Running, parse
from narthex.providers.scripted.provider import ScriptedProvider
from narthex.tenancy.keys import LOCAL
from narthex.testing.wires import openai_frames, words
from narthex.types.answers import FinishReason
from narthex.types.events import Ended, Event, Finished, Started, TextDelta, UsageReported
from narthex.types.requests import ChatRequest
from narthex.types.usage import Usage
from tests.pipeline.doubles import Double, House, streamed, told

SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "size": {"type": "integer", "minimum": 1}},
    "required": ["city", "size"],
}


def saying(text: str) -> list[Event]:
    """Return the events of an answer, a word in each."""
    reason = FinishReason.LENGTH if text.endswith("…") else FinishReason.STOP
    return [
        Started(id="1", model="m", created_at=1),
        *(TextDelta(text=word) for word in words(text)),
        Finished(reason=reason),
        UsageReported(usage=Usage(input_tokens=3, output_tokens=2)),
        Ended(),
    ]


async def begun(said: str | None, request: GenerateRequest, *, house: House | None = None) -> Running:
    """Begin an answer of a script that says this."""
    home = house or House(ScriptedProvider("demo", {"models": ["m"]}), default_model="demo/m")
    if said is not None:
        home = House(Double(told(*saying(said)), dialects=frozenset()), default_model="up/m")
    return await Generator(home.engine).begin(request, LOCAL, {})


async def generated(said: str | None, **fields: object) -> Generation:
    """Return the whole answer of a script that says this."""
    return await (await begun(said, msgspec.convert({"prompt": "Go", **fields}, GenerateRequest))).whole()


async def test_text_is_as_it_was_written() -> None:
    """The default form is the text, with who answered, why it ended, and its usage."""
    answer = await generated(" Hello\n")
    assert (answer.text, answer.output, answer.repaired) == (" Hello\n", " Hello\n", False)
    assert (answer.model, answer.format, answer.finish_reason) == ("up/m", "text", FinishReason.STOP)
    assert answer.id.startswith("req_")
    assert set(answer.usage) == {
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "cache_write_1h_tokens",
        "reasoning_tokens",
        "images",
        "audio_ms",
        "estimated",
        "total_tokens",
    }
    written = json.loads(msgspec.json.encode(answer))
    assert written["object"] == "generation"
    assert written["usage"]["total_tokens"] == written["usage"]["input_tokens"] + written["usage"]["output_tokens"] > 0


async def test_json_is_a_value() -> None:
    """JSON comes parsed, unchanged where it was well-formed."""
    answer = await generated('{"city": "Pará", "size": 2}', format="json", schema=SCHEMA)
    assert answer.output == {"city": "Pará", "size": 2}
    assert not answer.repaired


async def test_json_is_repaired_and_marked() -> None:
    """What can be read with certainty is, and is marked; the text stays what the model wrote."""
    said = 'Here you are:\n```json\n{"city": "Pará", "size": 2,}\n```'
    answer = await generated(said, format="json", schema=SCHEMA)
    assert answer.output == {"city": "Pará", "size": 2}
    assert answer.repaired
    assert answer.text == said


@pytest.mark.parametrize("said", ["No.", '{"city": "Pará"}', '{"city": "Pará", "size": 0}', "{"])
async def test_json_that_is_none_is_an_error(said: str) -> None:
    """What is no JSON, or does not fit its schema, is an error, never a value."""
    with pytest.raises(UnformedAnswer) as raised:
        await generated(said, format="json", schema=SCHEMA)
    assert raised.value.status == 502


async def test_a_script_meets_a_schema() -> None:
    """A schema reaches the provider, which answers by it."""
    answer = await generated(None, format="json", schema=SCHEMA)
    assert isinstance(answer.output, dict)
    assert set(answer.output) >= {"city", "size"}


async def test_xml_is_a_document() -> None:
    """XML comes as a document, unchanged where it was well-formed."""
    answer = await generated("<list><item>a</item></list>", format="xml", root="list")
    assert answer.output == "<list><item>a</item></list>"
    assert not answer.repaired


async def test_xml_is_repaired_and_marked() -> None:
    """Open elements are closed and stray signs escaped, and the answer is marked."""
    answer = await generated("Sure! <list><item>a & b</item><item>c", format="xml", root="list")
    assert answer.output == "<list><item>a &amp; b</item><item>c</item></list>"
    assert answer.repaired


async def test_xml_that_is_none_is_an_error() -> None:
    """A text without an element is an error, with what may help."""
    with pytest.raises(UnformedAnswer, match="ask again"):
        await generated("No.", format="xml")
    with pytest.raises(UnformedAnswer, match="max_output_tokens"):
        await generated("No, never…", format="xml")


async def test_long_answers_are_read_beside_the_loop() -> None:
    """A long text is read in a thread, to the same end."""
    said = json.dumps(["x" * 100] * (LONG_TEXT // 100))
    assert (await generated(said, format="json")).output == ["x" * 100] * (LONG_TEXT // 100)


async def test_a_stream_is_deltas_and_then_the_whole() -> None:
    """The deltas together are the text of the answer that follows them."""
    running = await begun("one two three", GenerateRequest(prompt="Go", stream=True))
    deltas = [delta.text async for delta in running.deltas()]
    assert len(deltas) > 1
    result = await running.result()
    assert "".join(deltas) == result.text == "one two three"
    assert not result.usage["estimated"]


async def test_a_cut_stream_is_an_error_after_its_deltas() -> None:
    """What broke off is no answer, whatever came before."""
    house = House(Double(streamed(openai_frames("one two three")[:3])), default_model="up/m")
    running = await begun(None, GenerateRequest(prompt="Go", stream=True), house=house)
    deltas: list[str] = []

    async def follow() -> None:
        async for delta in running.deltas():
            deltas.append(delta.text)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(TruncatedAnswer):
        await follow()
    assert "".join(deltas) == "one two"


async def test_leaving_ends_the_call() -> None:
    """Closing the deltas in the middle ends the call to the provider."""
    house = House(Double(streamed(openai_frames("one two three")[:3], hold=True)), default_model="up/m")
    running = await begun(None, GenerateRequest(prompt="Go", stream=True), house=house)
    deltas = running.deltas()
    await anext(deltas)
    await deltas.aclose()  # type: ignore[attr-defined]  # an async generator
    await house.settled()
    assert [line.code for line in house.lines] == ["cancelled"]


async def test_a_refusal_has_no_form() -> None:
    """A model that declines is not measured by the form that was asked for."""
    script = {"models": ["m"], "replies": [{"when": {"contains": ""}, "refusal": "I will not."}]}
    house = House(ScriptedProvider("demo", script), default_model="demo/m")
    running = await begun(None, GenerateRequest(prompt="Go", format="json"), house=house)
    answer = await running.whole()
    assert (answer.output, answer.finish_reason) == ("I will not.", FinishReason.REFUSAL)


async def test_what_the_model_is_told() -> None:
    """System text and form become instructions, tuning becomes settings; the prompt is the user's alone."""
    provider = Double(told(*saying("x")), dialects=frozenset())
    house = House(provider, default_model="up/m")
    asked = GenerateRequest(
        prompt="Go",
        system="Be brief.",
        format="xml",
        root="list",
        stream=True,
        max_output_tokens=9,
        temperature=0.5,
        seed=3,
        stop=("END",),
    )
    await begun(None, asked, house=house)
    request = provider.calls[0].request
    assert isinstance(request, ChatRequest)
    assert [message.role for message in request.messages] == ["system", "user"]
    said = str(request.messages[0].parts)
    assert "Be brief." in said
    assert "<list>" in said
    assert (request.max_output_tokens, request.temperature, request.seed, request.stop) == (9, 0.5, 3, ("END",))


async def test_a_schema_reaches_the_model() -> None:
    """The schema asked for is the model's own response format, so that an engine with a grammar can hold it."""
    provider = Double(told(*saying("x")), dialects=frozenset())
    house = House(provider, default_model="up/m")
    await begun(None, GenerateRequest(prompt="Go", format="json", schema=SCHEMA, stream=True), house=house)
    request = provider.calls[0].request
    assert isinstance(request, ChatRequest)
    assert request.response_format is not None
    assert request.response_format.schema == SCHEMA


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b"{}", None),
        (b'{"prompt": ""}', "prompt"),
        (b'{"prompt": 5}', "prompt"),
        (b'{"prompt": "x", "more": 1}', None),
        (b'{"prompt": "x", "format": "yaml"}', "format"),
        (b'{"prompt": "x", "schema": {}}', "schema"),
        (b'{"prompt": "x", "format": "xml", "schema": {}}', "schema"),
        (b'{"prompt": "x", "format": "json", "root": "a"}', "root"),
        (b'{"prompt": "x", "format": "xml", "root": "a b"}', "root"),
        (b'{"prompt": "x", "format": "json", "schema": {"type": 5}}', "schema"),
        (b'{"prompt": "x", "max_output_tokens": 0}', "max_output_tokens"),
        (b'{"prompt": "x", "max_output_tokens": 1000001}', "max_output_tokens"),
        (b'{"prompt": "x", "temperature": 2.1}', "temperature"),
        (b'{"prompt": "x", "seed": -1}', "seed"),
        (b'{"prompt": "x", "stop": [""]}', "stop[0]"),
        (b"[" * 100_000, None),
    ],
)
def test_a_request_that_is_none_is_refused(body: bytes, param: str | None) -> None:
    """What cannot be meant is refused, and the field named."""
    with pytest.raises(InvalidRequest) as raised:
        parse(body)
    assert raised.value.param == param


@given(st.binary(max_size=60))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    """Whatever comes is a request or an invalid one."""
    try:
        assert isinstance(parse(body), GenerateRequest)
    except InvalidRequest:
        return
