"""What one process asks of another is done, refused or not answered; and nothing that is said breaks it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

import pytest

from narthex.errors import InternalError, NodeSilent, StreamEnded, StreamNotFound, StreamUnreachable
from narthex.pipeline.gateway import TaskKeeper
from narthex.pipeline.node_calls import NodeCalls
from narthex.pipeline.owned import Owned
from narthex.pipeline.registry import KeepPolicy, Registry
from narthex.stores.stream_records import Names, StreamKey
from tests.pipeline.test_registry import opened

KEY = Names("test").key("tenant:one", "name-name")


class Two:
    """Two processes that speak with each other."""

    def __init__(self) -> None:
        self.registry = Registry(KeepPolicy(), {})
        self.touched: list[Owned] = []
        self.owned = opened(self.registry, "name-name", size=3)
        ours = {KEY: self.owned}
        self.other = self._made("other", self.registry, ours.get)
        self.one = self._made("one", Registry(KeepPolicy(), {}), lambda _key: None)

    def _made(self, node: str, registry: Registry, ours: Callable[[StreamKey], Owned | None]) -> NodeCalls:
        return NodeCalls(node, registry, ours=ours, touched=self.touched.append, spawn=TaskKeeper().spawn)

    async def send(self, node: str, message: bytes) -> None:
        """Bring a message to a process."""
        await {"one": self.one, "other": self.other}[node].heard(message, send=self.send)


async def test_what_is_asked_is_done() -> None:
    """And told, with how the stream stands then."""
    two = Two()
    report = (await two.one.ask("other", KEY, "pause", send=two.send, timeout_s=30)).report
    assert report is not None
    assert report.status == two.owned.status == "paused"
    assert two.touched == [two.owned]
    await two.one.ask("other", KEY, "report", send=two.send, timeout_s=30)
    assert two.touched == [two.owned]


async def test_what_is_refused_is_refused_here() -> None:
    """With the same error."""
    two = Two()
    with pytest.raises(StreamNotFound):
        await two.one.ask("other", Names("test").key("tenant:two", "name-name"), "pause", send=two.send, timeout_s=30)
    assert two.owned.log is not None
    two.owned.log.close()
    with pytest.raises(StreamEnded):
        await two.one.ask("other", KEY, "cancel", send=two.send, timeout_s=30)
    assert await two.one.ask("other", KEY, "delete", send=two.send, timeout_s=30) is not None
    assert two.registry.of("tenant:one") == []


async def test_silence_is_told() -> None:
    """Nobody waits for ever, nor when the connection is gone; an answer that comes too late is no matter."""
    two = Two()
    sent: list[bytes] = []

    async def lost(_node: str, message: bytes) -> None:
        sent.append(message)

    with pytest.raises(NodeSilent):
        await two.one.ask("other", KEY, "report", send=lost, timeout_s=0.01)
    await two.send("other", sent[0])
    waiting = asyncio.ensure_future(two.one.ask("other", KEY, "report", send=lost, timeout_s=60))
    await asyncio.sleep(0)
    two.one.break_off()
    with pytest.raises(StreamUnreachable):
        await waiting


async def test_a_question_is_answered_when_there_is_an_answer() -> None:
    """What is said meanwhile does not wait for it, and a refusal comes back as one."""
    two = Two()
    known = asyncio.Event()

    async def slow(owned: Owned, number: int) -> bytes:
        await known.wait()
        return b"%s %d" % (owned.id.encode(), number)

    async def broken(_owned: Owned, _number: int) -> bytes:
        raise ZeroDivisionError

    two.registry.answers = {"timeline": slow, "record": broken}
    waiting = asyncio.ensure_future(two.one.ask("other", KEY, "timeline", 7, send=two.send, timeout_s=60))
    await asyncio.sleep(0)
    await two.one.ask("other", KEY, "report", send=two.send, timeout_s=30)
    known.set()
    assert (await waiting).told == b"name-name 7"
    with pytest.raises(InternalError):
        await two.one.ask("other", KEY, "record", 0, send=two.send, timeout_s=60)
    with pytest.raises(StreamNotFound):
        await two.one.ask(
            "other", Names("test").key("tenant:two", "name-name"), "timeline", 7, send=two.send, timeout_s=5
        )


async def test_an_answer_that_cannot_be_sent_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever asked hears that there was none."""
    two = Two()

    async def answer(_owned: Owned, _number: int) -> bytes:
        return b""

    two.registry.answers = {"timeline": answer}

    async def one_way(node: str, message: bytes) -> None:
        if node == "one":
            raise OSError
        await two.other.heard(message, send=one_way)

    with pytest.raises(NodeSilent):
        await two.one.ask("other", KEY, "timeline", 7, send=one_way, timeout_s=0.05)
    assert "could not be sent" in caplog.text


async def test_broken_off_while_it_is_sent_nothing_is_left_unheard() -> None:
    """The error is that of the sending; no other is reported by the loop later on."""
    two = Two()
    heard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: heard.append(context))

    async def failing(_node: str, _message: bytes) -> None:
        two.one.break_off()
        raise StreamUnreachable

    with pytest.raises(StreamUnreachable):
        await two.one.ask("other", KEY, "report", send=failing, timeout_s=30)
    gc.collect()
    assert heard == []


@pytest.mark.parametrize("message", [b"", b"\xc1", b"\x93\xa3ask\x01\x02"])
async def test_what_cannot_be_read_is_passed_over(message: bytes) -> None:
    """Another version may say what is not known here."""
    two = Two()
    await two.other.heard(message, send=two.send)
    assert two.owned.status == "running"
