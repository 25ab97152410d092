"""One key is one call: repeats share its answer, mistakes are told, failures are forgotten, memory is bounded."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from narthex.errors import AnswerNotKept, Failure, IdempotencyConflict, InvalidRequest, Overloaded, ProviderFailed
from narthex.resilience.idempotency import (
    Entry,
    IdempotencyPolicy,
    IdempotencyReport,
    IdempotencyStore,
    digest_of,
)
from narthex.testing.clock import FakeClock

ONE, OTHER = digest_of("/v1/chat", b"{}"), digest_of("/v1/chat", b"[]")


class Desk:
    """A store of texts, and the clock that it goes by."""

    def __init__(self, policy: IdempotencyPolicy | None = None) -> None:
        self.clock = FakeClock()
        self.store: IdempotencyStore[str] = IdempotencyStore(policy, clock=self.clock)

    async def claim(self, key: str, digest: bytes = ONE, tenant: str = "t") -> tuple[Entry[str], bool]:
        """Claim a key."""
        entry, value = await self.store.claim(tenant=tenant, key=key, digest=digest)
        return entry, value is None

    async def first(self, key: str, digest: bytes = ONE, tenant: str = "t") -> Entry[str]:
        """Claim a key that is free."""
        entry, is_first = await self.claim(key, digest, tenant)
        assert is_first
        return entry

    async def keep(self, key: str, size_bytes: int = 1) -> None:
        """Let a call under a key that is free end well; its answer is its key."""
        entry = await self.first(key)
        entry.publish(key)
        entry.finish(size_bytes)

    async def read(self, key: str) -> str | None:
        """Return what is kept under a key; None (and no trace) where nothing is."""
        entry, is_first = await self.claim(key)
        if is_first:
            entry.abandon()
        return entry.value


async def settled() -> None:
    """Let every task run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_repeat_gets_the_first_answer() -> None:
    """After the first call has ended, the same request under its key gets the same answer."""
    desk = Desk()
    await desk.keep("k")
    entry, is_first = await desk.claim("k")
    assert (entry.value, is_first) == ("k", False)


async def test_a_repeat_joins_a_call_that_still_runs() -> None:
    """Repeats wait for something to read, and get it as soon as it is there, before the call has ended."""
    desk = Desk()
    entry = await desk.first("k")
    repeats = [asyncio.ensure_future(desk.claim("k")) for _ in range(3)]
    await settled()
    assert not any(repeat.done() for repeat in repeats)
    entry.publish("a stream")
    assert await asyncio.gather(*repeats) == [(entry, False)] * 3
    assert await desk.claim("k") == (entry, False)
    entry.finish(10)
    assert await desk.claim("k") == (entry, False)


async def test_another_body_under_the_same_key_is_refused() -> None:
    """While the first call runs and after it has ended, its key stands for its body alone."""
    desk = Desk()
    entry = await desk.first("k")
    for _ in range(2):
        with pytest.raises(IdempotencyConflict) as conflict:
            await desk.claim("k", OTHER)
        assert (conflict.value.status, conflict.value.code) == (409, "idempotency_conflict")
        entry.publish("text")
        entry.finish(4)


async def test_tenants_never_meet() -> None:
    """The same key of another tenant is another call."""
    desk = Desk()
    await desk.keep("k")
    await desk.first("k", tenant="other")
    await desk.first("k", OTHER, tenant="third")


async def test_a_failed_call_is_forgotten() -> None:
    """Repeats that waited share the failure, each with an error of its own; the next request is a new call."""
    desk = Desk()
    entry = await desk.first("k")
    repeats = [asyncio.ensure_future(desk.claim("k")) for _ in range(2)]
    await settled()
    error = ProviderFailed("broke", provider="one", failure=Failure.UPSTREAM_ERROR, retry_after_s=3.0)
    error.request_id = "req_1"
    entry.fail(error)
    outcomes = await asyncio.gather(*repeats, return_exceptions=True)
    assert len({id(outcome) for outcome in (*outcomes, error)}) == 3
    for outcome in outcomes:
        assert isinstance(outcome, ProviderFailed)
        assert (str(outcome), outcome.provider, outcome.retry_after_s) == ("broke", "one", 3.0)
        assert outcome.request_id is None
    assert await desk.first("k") is not entry


async def test_a_call_that_fails_midway_is_forgotten_too() -> None:
    """Whoever reads on sees the failure in what it reads; nobody else is sent there."""
    desk = Desk()
    entry = await desk.first("k")
    entry.publish("a stream that breaks")
    entry.fail(ProviderFailed(provider="one"))
    assert await desk.first("k", OTHER) is not entry


async def test_one_repeat_takes_over_what_was_abandoned() -> None:
    """When the first caller leaves without a word, exactly one of those that wait starts anew."""
    desk = Desk()
    entry = await desk.first("k")
    repeats = [asyncio.ensure_future(desk.claim("k")) for _ in range(3)]
    await settled()
    entry.abandon()
    await settled()
    successor = next(repeat.result()[0] for repeat in repeats if repeat.done())
    assert sum(repeat.done() for repeat in repeats) == 1
    successor.publish("again")
    assert sorted(first for _, first in await asyncio.gather(*repeats)) == [False, False, True]


async def test_the_old_owner_cannot_touch_the_new_entry() -> None:
    """What an owner says after its entry is gone changes nothing for the one that stands there now."""
    desk = Desk()
    old = await desk.first("k")
    old.abandon()
    new = await desk.first("k")
    old.publish("late")
    old.finish(1)
    old.fail(ProviderFailed(provider="one"))
    old.abandon()
    assert desk.store.report() == IdempotencyReport(running=1, kept=0, bytes=0)
    new.publish("text")
    assert (await desk.claim("k"))[0].value == "text"


async def test_a_cancelled_repeat_leaves_nothing() -> None:
    """A repeat that is cancelled while it waits disturbs neither the call nor the other repeats."""
    desk = Desk()
    entry = await desk.first("k")
    leaving, staying = (asyncio.ensure_future(desk.claim("k")) for _ in range(2))
    await settled()
    leaving.cancel()
    entry.publish("text")
    assert await staying == (entry, False)
    assert leaving.cancelled()
    assert not entry._waiting


async def test_a_kept_answer_does_not_change() -> None:
    """What is said about an entry after its end changes neither its value nor the store."""
    desk = Desk()
    entry = await desk.first("k")
    entry.publish("text")
    entry.finish(4)
    entry.publish("another text")
    entry.finish(5)
    entry.abandon()
    assert await desk.read("k") == "text"
    assert desk.store.report() == IdempotencyReport(running=0, kept=1, bytes=4)


async def test_answers_are_kept_for_their_time() -> None:
    """From its end on an answer is kept for its time, however long the call ran, and no longer."""
    desk = Desk(IdempotencyPolicy(kept_s=100.0))
    entry = await desk.first("k")
    desk.clock.set(desk.clock() + 90)
    entry.publish("text")
    entry.finish(4)
    desk.clock.set(desk.clock() + 99)
    assert await desk.read("k") == "text"
    desk.clock.set(desk.clock() + 1)
    assert desk.store.report().kept == 0
    assert await desk.read("k") is None


async def test_the_oldest_answers_make_room() -> None:
    """At the limit of entries or bytes the answers that ended first are forgotten."""
    desk = Desk(IdempotencyPolicy(entries=3, bytes=10))
    for key in ("a", "b", "c", "d"):
        await desk.keep(key)
    assert desk.store.report() == IdempotencyReport(running=0, kept=3, bytes=3)
    assert await desk.read("b") == "b"
    await desk.keep("heavy", 9)
    assert desk.store.report() == IdempotencyReport(running=0, kept=2, bytes=10)
    assert await desk.read("d") == "d"


@pytest.mark.parametrize("policy", [IdempotencyPolicy(bytes=10), IdempotencyPolicy(answer_bytes=10)])
async def test_what_is_too_heavy_leaves_its_key_spent(policy: IdempotencyPolicy) -> None:
    """An answer heavier than one may be drives nothing out; repeats are told, as long as it would have been kept."""
    desk = Desk(policy)
    await desk.keep("a", 10)
    await desk.keep("b", 11)
    assert desk.store.report() == IdempotencyReport(running=0, kept=2, bytes=10)
    assert await desk.read("a") == "a"
    with pytest.raises(AnswerNotKept) as told:
        await desk.claim("b")
    assert (told.value.status, told.value.param) == (409, "idempotency-key")
    with pytest.raises(IdempotencyConflict):
        await desk.claim("b", OTHER)
    desk.clock.set(desk.clock() + policy.kept_s)
    assert await desk.read("b") is None


async def test_what_is_being_written_takes_its_room() -> None:
    """An answer that grows drives older ones out, up to the bound of all together; beyond it its key is spent."""
    desk = Desk(IdempotencyPolicy(bytes=10))
    await desk.keep("a", 4)
    await desk.keep("b", 4)
    first, other = await desk.first("k"), await desk.first("l")
    first.publish("k")
    other.publish("l")
    assert first.grow(2)
    assert desk.store.report() == IdempotencyReport(running=2, kept=2, bytes=10)
    assert first.grow(3)
    assert desk.store.report() == IdempotencyReport(running=2, kept=1, bytes=7)
    assert other.grow(7)
    assert desk.store.report() == IdempotencyReport(running=2, kept=0, bytes=10)
    assert not first.grow(4)
    assert not first.grow(1)
    assert desk.store.report() == IdempotencyReport(running=1, kept=1, bytes=7)
    with pytest.raises(AnswerNotKept):
        await desk.claim("k")
    other.fail(ProviderFailed(provider="one"))
    assert desk.store.report().bytes == 0


async def test_those_who_wait_get_what_is_too_heavy_to_be_kept() -> None:
    """Whoever waited when an answer came has it, even if it is gone from the store at once."""
    desk = Desk(IdempotencyPolicy(bytes=10))
    entry = await desk.first("k")
    repeat = asyncio.ensure_future(desk.store.claim(tenant="t", key="k", digest=ONE))
    await settled()
    entry.publish("text")
    entry.finish(11)
    assert await repeat == (entry, "text")


async def test_another_policy_may_be_adopted() -> None:
    """What is too much, or too old, for a new policy is forgotten at once; calls under way stay."""
    desk = Desk()
    for key in ("a", "b", "c"):
        await desk.keep(key, 4)
    running = await desk.first("k")
    desk.store.adopt(IdempotencyPolicy(bytes=8))
    assert desk.store.report() == IdempotencyReport(running=1, kept=2, bytes=8)
    desk.store.adopt(IdempotencyPolicy(entries=2))
    assert desk.store.report() == IdempotencyReport(running=1, kept=1, bytes=4)
    desk.clock.set(desk.clock() + 10)
    desk.store.adopt(IdempotencyPolicy(kept_s=5, entries=1))
    assert desk.store.report() == IdempotencyReport(running=1, kept=0, bytes=0)
    running.publish("k")
    running.finish(1)
    assert await desk.read("k") == "k"


async def test_how_full_it_is_can_be_scraped() -> None:
    """Keys and bytes are told in Prometheus's text format."""
    desk = Desk()
    await desk.keep("a", 4)
    await desk.first("b")
    lines = list(desk.store.lines())
    assert 'narthex_idempotency_keys{state="running"} 1' in lines
    assert 'narthex_idempotency_keys{state="kept"} 1' in lines
    assert "narthex_idempotency_bytes 4" in lines


async def test_an_answer_that_was_never_published_is_not_kept() -> None:
    """Ended without anything to read, an entry is as good as abandoned."""
    desk = Desk()
    entry = await desk.first("k")
    repeat = asyncio.ensure_future(desk.claim("k"))
    await settled()
    entry.finish(0)
    assert (await repeat)[1]


async def test_calls_under_way_are_never_driven_out() -> None:
    """Full of calls under way, the store takes no more keys: to forget one would be to make its call twice."""
    desk = Desk(IdempotencyPolicy(entries=2))
    entries = [await desk.first(key) for key in ("a", "b")]
    with pytest.raises(Overloaded) as shed:
        await desk.claim("c")
    assert shed.value.retry_after_s == 1.0
    entries[0].abandon()
    await desk.first("c")


async def test_a_call_never_heard_of_again_frees_its_key() -> None:
    """After the longest time that a call may take its key can be used anew."""
    desk = Desk(IdempotencyPolicy(running_s=60.0))
    lost = await desk.first("k")
    desk.clock.set(desk.clock() + 60)
    found = await desk.first("k")
    assert lost.ended
    found.publish("text")
    assert (await desk.claim("k"))[0] is found


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_keys_are_short(key: str) -> None:
    """An empty key or one beyond 255 characters is refused, with the header's name."""
    with pytest.raises(InvalidRequest) as refused:
        await Desk().claim(key)
    assert refused.value.param == "idempotency-key"


def test_a_digest_tells_requests_apart() -> None:
    """Another route or another body is another request, wherever the border between the two lies."""
    digests = {digest_of("/a", b"b"), digest_of("/a", b"c"), digest_of("/ab", b""), digest_of("/", b"ab")}
    assert len(digests) == 4
    assert digest_of("/a", b"b") == digest_of("/a", b"b")


@pytest.mark.parametrize("wrong", [{"entries": 0}, {"bytes": -1}, {"kept_s": 0}, {"running_s": -1}])
def test_nonsense_is_refused(wrong: dict[str, int]) -> None:
    """Bounds that cannot hold anything are refused where they are made."""
    with pytest.raises(ValueError, match="IdempotencyPolicy"):
        IdempotencyPolicy(**wrong)


class AgainstModel(RuleBasedStateMachine):
    """The store beside a plain dictionary and a list."""

    ENTRIES, BYTES, KEPT_S = 3, 10, 50.0

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.desk = Desk(IdempotencyPolicy(entries=self.ENTRIES, bytes=self.BYTES, kept_s=self.KEPT_S, running_s=1e9))
        self.running: dict[str, tuple[bytes, Entry[str]]] = {}
        self.kept: list[tuple[str, bytes, int, float]] = []
        """Key, digest, size and time, oldest first."""
        self.weights: dict[str, int] = {}
        """Of those that run."""
        self.spent: set[str] = set()

    def teardown(self) -> None:
        """Close the loop."""
        self.runner.close()

    def _drop_old(self) -> None:
        self.kept = [one for one in self.kept if one[3] > self.desk.clock() - self.KEPT_S]

    @rule(key=st.sampled_from("abcde"), digest=st.sampled_from([ONE, ONE, OTHER]))
    def claim(self, key: str, digest: bytes) -> None:
        """Claim a key that nobody has to be waited for."""
        self._drop_old()
        digests = {name: kept for name, kept, _, _ in self.kept} | {
            name: held for name, (held, _) in self.running.items()
        }
        if digests.get(key) == digest and key in self.running and self.running[key][1].value is None:
            return
        claim = self.desk.claim(key, digest)
        if key in digests and digests[key] != digest:
            with pytest.raises(IdempotencyConflict):
                self.runner.run(claim)
        elif key in digests and key in self.spent:
            with pytest.raises(AnswerNotKept):
                self.runner.run(claim)
        elif key in digests:
            entry, first = self.runner.run(claim)
            assert (entry.value, first) == (key, False)
        elif len(self.running) == self.ENTRIES:
            with pytest.raises(Overloaded):
                self.runner.run(claim)
        else:
            entry, first = self.runner.run(claim)
            assert first
            self.running[key], self.weights[key] = (digest, entry), 0
            self.spent.discard(key)
            self.kept = self.kept[max(0, len(self.running) + len(self.kept) - self.ENTRIES) :]

    @precondition(lambda self: self.running)
    @rule(data=st.data(), size_bytes=st.integers(0, 12), publishes=st.booleans())
    def finish(self, data: st.DataObject, size_bytes: int, publishes: bool) -> None:
        """End a call well, perhaps with nothing to read."""
        key = data.draw(st.sampled_from(sorted(self.running)))
        digest, entry = self.running.pop(key)
        if publishes:
            entry.publish(key)
        published = entry.value is not None
        entry.finish(size_bytes)
        if not published:
            del self.weights[key]
        elif self._takes_room(key, size_bytes):
            self.kept.append((key, digest, self.weights.pop(key), self.desk.clock()))
        else:
            self._spend(key, digest)

    @precondition(lambda self: any(entry.value is not None for _, entry in self.running.values()))
    @rule(data=st.data(), more_bytes=st.integers(0, 6))
    def grow(self, data: st.DataObject, more_bytes: int) -> None:
        """Write on at what was published."""
        readable = sorted(key for key, (_, entry) in self.running.items() if entry.value is not None)
        key = data.draw(st.sampled_from(readable))
        digest, entry = self.running[key]
        size_bytes = self.weights[key] + more_bytes
        fits = self._takes_room(key, size_bytes)
        assert entry.grow(size_bytes) == fits
        if not fits:
            del self.running[key]
            self._spend(key, digest)

    def _takes_room(self, key: str, size_bytes: int) -> bool:
        if size_bytes > self.BYTES:
            return False
        others = sum(weight for name, weight in self.weights.items() if name != key)
        while others + size_bytes + sum(size for _, _, size, _ in self.kept) > self.BYTES and size_bytes:
            if not self.kept or size_bytes <= self.weights[key]:
                break
            self.kept.pop(0)
        self.weights[key], before = size_bytes, self.weights[key]
        return size_bytes <= before or others + size_bytes + sum(size for _, _, size, _ in self.kept) <= self.BYTES

    def _spend(self, key: str, digest: bytes) -> None:
        del self.weights[key]
        self.spent.add(key)
        self.kept.append((key, digest, 0, self.desk.clock()))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), how=st.sampled_from(["publish", "fail", "abandon"]))
    def go_on(self, data: st.DataObject, how: str) -> None:
        """Publish, fail or leave."""
        key = data.draw(st.sampled_from(sorted(self.running)))
        entry = self.running[key][1]
        if how == "publish":
            entry.publish(key)
            return
        del self.running[key], self.weights[key]
        if how == "fail":
            entry.fail(ProviderFailed(provider="one"))
        else:
            entry.abandon()

    @rule(seconds=st.sampled_from([1.0, 30.0, 50.0]))
    def time_passes(self, seconds: float) -> None:
        """Go on."""
        self.desk.clock.set(self.desk.clock() + seconds)

    @invariant()
    def agrees(self) -> None:
        """The store holds what the model holds, within its bounds."""
        self._drop_old()
        report = self.desk.store.report()
        assert report.running == len(self.running)
        held = sum(size for _, _, size, _ in self.kept) + sum(self.weights.values())
        assert (report.kept, report.bytes) == (len(self.kept), held)
        assert held <= self.BYTES
        assert report.running + report.kept <= self.ENTRIES


TestAgainstModel = AgainstModel.TestCase


@pytest.mark.parametrize("key", ["", "a b", "é", "a\tb", "k" * 256])
async def test_a_key_is_visible_ascii(key: str) -> None:
    """Anything else is refused, as the document says: two clients may write it in two ways."""
    with pytest.raises(InvalidRequest, match="visible ASCII"):
        await IdempotencyStore[str]().claim(tenant="t", key=key, digest=b"d")
