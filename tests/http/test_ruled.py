"""Through both doors: rules send calls where they say, and copies go to models on trial without a trace."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narthex.config.rules import rules
from narthex.config.virtual_models import virtual_models
from narthex.routing.conditions import Means
from narthex.routing.router import Router
from narthex.routing.strategies import Surroundings
from narthex.testing.acts import Stall, cut_after, hung_up, silent, streamed, whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_answer, openai_embeddings, openai_error, openai_frames
from tests.gateways import KEY, RunningGateway, recovering

Rule = dict[str, object]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


class Stage:
    """A server with three providers, and a caller."""

    def __init__(
        self, gateway: RunningGateway, upstreams: Mapping[str, ScriptedUpstream], client: httpx.Client
    ) -> None:
        self.gateway = gateway
        self.upstreams = upstreams
        self._client = client
        self._now_s: float | None = None

    def set_time(self, now_s: float) -> None:
        """Have rules see this time from now on."""
        first, self._now_s = self._now_s is None, now_s
        gateway = self.gateway.gateway
        assert gateway is not None
        if first:
            means = Means(now=lambda: self._now_s or 0.0, random=Random(1), canonical=gateway.catalog.meant)
            around = Surroundings(live=gateway.figures, clock=time.monotonic, random=Random(1))
            models = virtual_models(gateway.settings)
            gateway.router.adopt(Router(means, around, rules=rules(gateway.settings), models=models))

    def ask(self, text: str = "Hi.", *, tags: str = "", conversation: str = "", **changes: object) -> httpx.Response:
        """Send a chat for `a/m`."""
        said = {"x-narthex-tags": tags, "x-narthex-conversation": conversation}
        headers = {name: value for name, value in said.items() if value}
        if changes.pop("ordinary", False):
            headers["origin"] = self.gateway.url
        body = {"model": "a/m", "messages": [{"role": "user", "content": text}], **changes}
        answer = self._client.post("/v1/chat/completions", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer

    def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        """Send anything."""
        return self._client.post(path, json=body, headers=headers)

    def get(self, path: str) -> httpx.Response:
        """Fetch anything."""
        return self._client.get(path)

    def asked(self, provider: str) -> int:
        """Return how often a provider was called."""
        return len(self.upstreams[provider].requests)

    def metrics(self) -> str:
        """Return what can be scraped."""
        return self.get("/metrics").text

    def waits_for(self, text: str) -> str:
        """Scrape until a line is there, and return all."""
        found = ""
        for _ in range(250):
            if text in (found := self.metrics()):
                return found
            time.sleep(0.02)
        raise AssertionError(f"{text} is not in:\n{found}")

    def lines(self, count: int) -> list[dict[str, object]]:
        """Return the request log, as soon as so many lines are written."""
        file = self.gateway.settings.data_dir / "logs" / "requests.jsonl"
        for _ in range(250):
            if file.exists() and len(found := file.read_text().splitlines()) >= count:
                return [json.loads(line) for line in found]
            time.sleep(0.02)
        raise AssertionError("the lines are not written")


@contextmanager
def stage(folder: Path, *given: Rule, **changes: object) -> Iterator[Stage]:
    """Run a server with rules, and three providers that answer with their names."""
    with ScriptedUpstream() as a, ScriptedUpstream() as b, ScriptedUpstream() as c:
        upstreams = {"a": a, "b": b, "c": c}
        for name, upstream in upstreams.items():
            upstream.always(whole(openai_answer(f"This is {name}.")))
        providers = {
            name: {"kind": "openai", "base_url": f"{one.url}/v1", "models": ["m"]} for name, one in upstreams.items()
        }
        with (
            recovering(folder, providers=providers, rules=given, **changes) as gateway,
            httpx.Client(base_url=gateway.url, timeout=10) as client,
        ):
            yield Stage(gateway, upstreams, client)


def served(answer: httpx.Response) -> str:
    """Return who answered."""
    name: str = answer.headers["x-narthex-model"]
    if answer.headers["content-type"] == "application/json":
        assert answer.json()["choices"][0]["message"]["content"] == f"This is {name[0]}."
    return name


@pytest.mark.parametrize("ordinary", [False, True])
def test_rules_by_tag_and_size(tmp_path: Path, ordinary: bool) -> None:
    """The first rule about a call sends it on, at either door; the header says which, and who is next."""
    given: list[Rule] = [
        {"name": "batch", "when": {"tags": ["batch"]}, "use": "spare"},
        {"name": "long", "when": {"min_input_tokens": 500}, "use": "c/m"},
    ]
    with stage(tmp_path, *given, aliases={"spare": "b/m"}, fallbacks={"c/m": ["a/m"]}) as one:
        plain = one.ask(ordinary=ordinary)
        tagged = one.ask(tags="night, batch", ordinary=ordinary)
        long = one.ask("word " * 500, ordinary=ordinary)
        assert [served(answer) for answer in (plain, tagged, long)] == ["a/m", "b/m", "c/m"]
        routes = [answer.headers["x-narthex-route"] for answer in (plain, tagged, long)]
        assert routes == ["to=a/m", "rule=batch; to=b/m", "rule=long; to=c/m,a/m"]


def test_a_ruled_model_that_fails_has_its_fallbacks(tmp_path: Path) -> None:
    """What stands behind the model that the rule names serves in its place."""
    rule: Rule = {"name": "all", "use": "b/m"}
    with stage(tmp_path, rule, fallbacks={"b/m": ["c/m"]}) as one:
        one.upstreams["b"].always(hung_up())
        answer = one.ask()
        assert served(answer) == "c/m"
        assert answer.headers["x-narthex-attempts"].endswith("c/m fallback ok")
        assert one.asked("a") == 0


def test_rules_look_into_the_call(tmp_path: Path) -> None:
    """Pictures, tools, streams and the caller's key can decide."""
    given: list[Rule] = [
        {"name": "pictures", "when": {"modalities": ["image"]}, "use": "b/m"},
        {"name": "tools", "when": {"tools": True}, "use": "c/m"},
        {"name": "ours", "when": {"tenants": ["shop"], "streaming": False}, "use": "b/m"},
    ]
    keys = [{"name": "one", "key": KEY, "tenant": "shop"}, {"name": "two", "key": KEY[::-1]}]
    with stage(tmp_path, *given, keys=keys) as one:
        image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
        chat = {"model": "a/m", "messages": [{"role": "user", "content": "Hi."}]}

        def rule_of(key: str = KEY[::-1], **changes: object) -> str:
            answer = one.post("/v1/chat/completions", {**chat, **changes}, authorization=f"Bearer {key}")
            assert answer.status_code == 200, answer.text
            return answer.headers["x-narthex-route"].partition(";")[0]

        assert rule_of(messages=[{"role": "user", "content": [image]}]) == "rule=pictures"
        assert rule_of(tools=[TOOL]) == "rule=tools"
        assert rule_of(KEY) == "rule=ours"
        assert rule_of() == "to=a/m"
        for upstream in one.upstreams.values():
            upstream.always(streamed(openai_frames("x")))
        assert rule_of(KEY, stream=True) == "to=a/m"


def test_embeddings_are_ruled_only_by_name(tmp_path: Path) -> None:
    """Vectors of another model are of no use, unless somebody says that they are."""
    given: list[Rule] = [
        {"name": "vectors", "when": {"operations": ["embed"], "tags": ["new"]}, "use": "b/m"},
        {"name": "all", "use": "c/m"},
    ]
    with stage(tmp_path, *given) as one:
        for upstream in one.upstreams.values():
            upstream.always(whole(openai_embeddings([[1.0, 2.0]])))
        body = {"model": "a/m", "input": "Hi."}
        assert one.post("/v1/embeddings", body).headers["x-narthex-model"] == "a/m"
        answer = one.post("/v1/embeddings", body, **{"x-narthex-tags": "new"})
        assert (answer.headers["x-narthex-model"], answer.headers["x-narthex-route"]) == ("b/m", "rule=vectors; to=b/m")


def test_a_rule_by_time(tmp_path: Path) -> None:
    """The same call goes elsewhere at night, in the time zone of the rule."""
    night = {"hours": ["22:00-06:00"], "time_zone": "Europe/Vienna"}
    with stage(tmp_path, {"name": "night", "when": night, "use": "b/m"}) as one:
        last_minute = datetime(2026, 3, 4, 20, 59, tzinfo=UTC).timestamp()
        one.set_time(last_minute)
        assert served(one.ask()) == "a/m"
        one.set_time(last_minute + 60)
        assert served(one.ask()) == "b/m"


def test_a_rollout_holds_its_share_and_keeps_conversations(tmp_path: Path) -> None:
    """Thirty per cent of conversations go to the new model, and every call of one goes the same way."""
    rule: Rule = {"name": "rollout", "split": [{"model": "b/m", "percentage": 30}]}
    with stage(tmp_path, rule) as one:
        sides = {name: served(one.ask(conversation=name)) for name in (f"talk {number}" for number in range(300))}
        share = Counter(sides.values())
        # Five standard deviations of a draw of 300.
        assert share["b/m"] == pytest.approx(90, abs=40)
        assert share["a/m"] + share["b/m"] == 300
        assert all(served(one.ask(f"More of {name}.", conversation=name)) == side for name, side in sides.items())
        ways = Counter(served(one.ask("Hi.")) for _ in range(5))
        assert len(ways) == 1, "a conversation is known by how it begins"


def test_rules_change_without_a_pause(tmp_path: Path) -> None:
    """New rules hold for the next call."""
    with stage(tmp_path) as one:
        assert served(first := one.ask()) == "a/m"
        assert "x-narthex-route" not in first.headers
        gateway = one.gateway.gateway
        assert gateway is not None
        changed = gateway.settings.model_validate(
            {**gateway.settings.model_dump(), "rules": [{"name": "all", "use": "b/m", "shadow": "c/m"}]}
        )
        one.gateway.run(gateway.reload(changed))
        assert served(one.ask()) == "b/m"
        one.upstreams["c"].wait_for(lambda: one.asked("c") == 1)


TIMES = ["2026-03-04T12:00:00Z", "2026-03-07T23:30:00Z"]
RULES: list[Rule] = [
    {"name": "busy", "when": {"tags": ["a", "b"]}, "use": "turns"},
    {"name": "long", "when": {"min_input_tokens": 60, "percentage": 50}, "use": "c/m"},
    {"name": "tools", "when": {"tools": True, "streaming": False}, "use": "b/m", "shadow": "c/m"},
    {"name": "vectors", "when": {"operations": ["embed"], "percentage": 40}, "use": "kept"},
    {"name": "weekend", "when": {"weekdays": ["sat"], "hours": ["23:00-01:00"]}, "use": "b/m"},
    {
        "name": "rollout",
        "when": {"models": ["a/*", "kept"]},
        "split": [{"model": "kept", "percentage": 40}, {"model": "b/m", "percentage": 20}],
        "shadow": {"model": "c/m", "percentage": 30},
    },
]
VIRTUAL = {
    "turns": {"strategy": "weighted", "members": ["a/m", {"model": "b/m", "weight": 2}, {"model": "c/m", "tier": 2}]},
    "kept": {"strategy": "sticky", "members": ["a/m", "b/m", "c/m"], "fallbacks": ["a/m"]},
}


@pytest.fixture(scope="module")
def crossroads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Run a server with every kind of rule, at a time that a test sets."""
    script = {"models": ["m"], "reply_tokens": 1}
    providers = {name: {"kind": "scripted", "script": script} for name in "abc"}
    folder = tmp_path_factory.mktemp("crossroads")
    with (
        recovering(folder, providers=providers, rules=RULES, virtual=VIRTUAL, default_model="a/m") as gateway,
        httpx.Client(base_url=gateway.url, timeout=10) as client,
    ):
        yield Stage(gateway, {}, client)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that may go anywhere."""

    model: str
    words: int
    tools: bool
    stream: bool
    vectors: bool
    tags: tuple[str, ...]
    conversation: str
    at: str

    @property
    def path(self) -> str:
        """Where it is sent."""
        return "/v1/embeddings" if self.vectors else "/v1/chat/completions"

    @property
    def body(self) -> dict[str, object]:
        """What is sent."""
        text = "word " * self.words
        if self.vectors:
            return {"model": self.model, "input": text}
        tools = {"tools": [TOOL]} if self.tools else {}
        messages = [{"role": "user", "content": text}]
        return {"model": self.model, "messages": messages, "stream": self.stream, **tools}

    @property
    def headers(self) -> dict[str, str]:
        """What is said beside it."""
        return {"x-narthex-tags": ", ".join(self.tags), "x-narthex-conversation": self.conversation}

    @property
    def question(self) -> dict[str, object]:
        """What is asked about it."""
        operation = "embed" if self.vectors else "chat"
        return {
            "request": self.body,
            "operation": operation,
            "tags": self.tags,
            "conversation": self.conversation or None,
        }


calls = st.builds(
    Call,
    model=st.sampled_from(["", "a/m", "b/m", "kept", "turns"]),
    words=st.integers(1, 60),
    tools=st.booleans(),
    stream=st.booleans(),
    vectors=st.booleans(),
    tags=st.lists(st.sampled_from(["a", "b", "c"]), unique=True).map(tuple),
    conversation=st.sampled_from(["", *(f"talk {number}" for number in range(30))]),
    at=st.sampled_from(TIMES),
    # Nothing tells to which conversation vectors belong: unless it is said, lots are drawn.
).filter(lambda call: bool(call.conversation) or not call.vectors)


@given(calls)
@settings(max_examples=150, deadline=None)
def test_what_is_explained_is_what_is_done(crossroads: Stage, call: Call) -> None:
    """Whatever the call, the explanation names who then serves it, and says what its header says."""
    crossroads.set_time(datetime.fromisoformat(call.at).timestamp())
    told = crossroads.post("/api/route", call.question).json()
    at_that_time = crossroads.post("/api/route", {**call.question, "at": call.at}).json()
    answer = crossroads.post(call.path, call.body, **call.headers)
    assert answer.status_code == 200, answer.text
    assert told["header"] == at_that_time["header"] == answer.headers["x-narthex-route"]
    assert told["model"] == told["candidates"][0]["model"] == answer.headers["x-narthex-model"]


SHADOW: Rule = {"name": "trial", "shadow": "b/m"}


@pytest.mark.parametrize("ordinary", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_a_shadow_gets_a_copy(tmp_path: Path, stream: bool, ordinary: bool) -> None:
    """The caller's answer is that of the model asked; the copy is counted and logged as a copy."""
    with stage(tmp_path, SHADOW) as one:
        if stream:
            one.upstreams["a"].always(streamed(openai_frames("This is a.")))
            one.upstreams["b"].always(streamed(openai_frames("This is b, which talks more.")))
        answer = one.ask(stream=stream, ordinary=ordinary)
        assert served(answer) == "a/m"
        assert "This is b" not in answer.text
        assert answer.headers["x-narthex-route"] == "rule=trial; to=a/m; copy=b/m"
        text = one.waits_for('narthex_shadow_requests_total{operation="chat",model="b/m",outcome="ok"} 1')
        assert 'narthex_requests_total{operation="chat",model="a/m",outcome="ok"} 1' in text
        assert 'narthex_requests_total{operation="chat",model="b/m"' not in text
        (call, copy) = sorted(one.lines(2), key=lambda line: "shadow_of" in line)
        assert (call["model"], copy["model"]) == ("a/m", "b/m")
        assert copy["shadow_of"] == call["request_id"] == answer.headers["x-request-id"]
        assert copy.get("stream", False) is stream
        sent, copied = (one.upstreams[name].requests[0].json() for name in ("a", "b"))
        assert sent == copied


@pytest.mark.parametrize("stream", [False, True])
def test_a_shadow_that_hangs_is_not_felt(tmp_path: Path, stream: bool) -> None:
    """Callers are served as ever while copies hang; beyond the bound they are dropped, and all end with the server."""
    with stage(tmp_path, SHADOW, shadows={"max_active": 3}) as one:
        answer = streamed(openai_frames("This is a.")) if stream else whole(openai_answer("This is a."))
        one.upstreams["a"].always(answer)
        one.upstreams["b"].always(cut_after(answer, sends=2, by=Stall()) if stream else silent())
        for _ in range(10):
            assert served(one.ask(stream=stream)) == "a/m"
        text = one.waits_for('narthex_shadow_dropped_total{reason="busy"} 7')
        assert "narthex_shadow_requests_active 3" in text
        assert "narthex_requests_active 0" in text
        assert one.asked("b") == 3
        lines = [line for line in one.lines(10) if "shadow_of" in line]
        assert lines == []
        data_dir = one.gateway.settings.data_dir
    written = (data_dir / "logs" / "requests.jsonl").read_text().splitlines()
    ended = [line for line in map(json.loads, written) if "shadow_of" in line]
    assert [line["code"] for line in ended] == ["cancelled"] * 3


@pytest.mark.parametrize(
    "failing", [hung_up(), whole(openai_error(), status=500), whole(b"nonsense"), whole(openai_error(), status=401)]
)
def test_a_shadow_that_fails_is_not_seen(tmp_path: Path, failing: tuple[object, ...]) -> None:
    """It is asked once, its failure is counted as a copy's, and no breaker of callers' calls hears of it."""
    with stage(tmp_path, SHADOW) as one:
        one.upstreams["b"].always(failing)  # type: ignore[arg-type]  # an answer is a tuple of acts
        for _ in range(8):
            answer = one.ask()
            assert served(answer) == "a/m"
            assert "x-narthex-attempts" not in answer.headers
        one.waits_for('narthex_shadow_requests_total{operation="chat",model="b/m",outcome="provider_')
        text = one.waits_for("narthex_shadow_requests_active 0")
        assert "narthex_failed_attempts_total{" not in text
        breakers = {held["name"]: held for held in one.get("/api/breakers").json()["data"]}
        assert breakers["b/m"]["state"] == "closed"
        assert breakers["b/m"]["calls"] == 0


def test_only_a_part_is_copied(tmp_path: Path) -> None:
    """A percentage of conversations is copied, sticky as everything else."""
    rule: Rule = {"name": "trial", "shadow": {"model": "b/m", "percentage": 25}}
    with stage(tmp_path, rule) as one:
        routes = Counter(one.ask(conversation=f"talk {n}").headers["x-narthex-route"] for n in range(200))
        copied = routes["rule=trial; to=a/m; copy=b/m"]
        assert copied == pytest.approx(50, abs=31)
        one.upstreams["b"].wait_for(lambda: one.asked("b") == copied)


def test_a_shadow_takes_no_place_of_a_callers(tmp_path: Path) -> None:
    """While callers need every place at the model on trial, no copy goes there."""
    with stage(tmp_path, {**SHADOW, "when": {"models": ["a/m"]}}, limits={"maximum": 1}) as one:
        one.upstreams["b"].play(silent())

        def wait_in_vain() -> None:
            body = {"model": "b/m", "messages": [{"role": "user", "content": "Hi."}]}
            with contextlib.suppress(httpx.ReadTimeout):
                httpx.post(f"{one.gateway.url}/v1/chat/completions", json=body, timeout=0.5)

        with ThreadPoolExecutor(1) as pool:
            held = pool.submit(wait_in_vain)
            one.upstreams["b"].wait_for(lambda: one.asked("b") == 1)
            assert served(one.ask()) == "a/m"
            one.waits_for('narthex_shadow_dropped_total{reason="unavailable"} 1')
            held.result()
        assert one.asked("b") == 1
