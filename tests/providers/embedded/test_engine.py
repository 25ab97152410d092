"""One model, loaded when it is needed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from narthex.errors import InternalError, ModelUnavailable, Overloaded
from narthex.providers.embedded import engine as engine_module
from narthex.providers.embedded.engine import Engine, EngineOptions
from narthex.providers.embedded.jobs import Job
from narthex.providers.embedded.native import NativeModel, NativeOptions
from tests.providers.embedded.doubles import FakeModel, FakeOpener
from tests.providers.embedded.gguf_files import chat_file


def _engine(
    folder: Path,
    opener: FakeOpener,
    *,
    name: str = "tiny",
    parallel: int = 2,
    max_waiting: int = 1,
    idle_unload_s: float = 0.0,
    size_bytes: int | None = None,
) -> Engine:
    path = folder / "tiny.gguf"
    if not path.exists():
        path.write_bytes(chat_file())
    native = NativeOptions(path=path, kind="chat", threads=1, context_tokens=256, parallel=parallel)
    options = EngineOptions(
        name=name, native=native, max_waiting=max_waiting, idle_unload_s=idle_unload_s, size_bytes=size_bytes
    )
    return Engine(options, opener=opener)


def _until(event: threading.Event) -> Callable[[NativeModel, Job[str]], None]:
    def work(_native: NativeModel, job: Job[str]) -> None:
        job.give("begun")
        while not event.wait(0.005) and not job.is_unwanted:
            pass

    return work


async def _settled(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - an engine has no event for its tests
            await asyncio.sleep(0.002)


async def test_loads_once_for_all_who_come(tmp_path: Path) -> None:
    """Those who come while it loads wait for the same loading, and see its progress."""
    opener = FakeOpener(hold=threading.Event())
    engine = _engine(tmp_path, opener)
    assert (engine.state, engine.progress) == ("unloaded", None)
    done = threading.Event()
    starting = asyncio.gather(engine.start(_until(done)), engine.start(_until(done)))
    await _settled(lambda: bool(opener.opened))
    assert str(engine.state) == "loading"
    assert engine.progress == pytest.approx(0.7)
    assert opener.hold is not None
    opener.hold.set()
    await starting
    assert (engine.state, engine.progress, len(opener.opened)) == ("ready", 1.0, 1)
    done.set()
    await _settled(lambda: engine.state == "idle")
    await engine.aclose()


async def test_more_wait_and_more_still_are_refused(tmp_path: Path) -> None:
    """Places are taken in order; the queue is bounded, and says what to set."""
    opener = FakeOpener()
    engine = _engine(tmp_path, opener, parallel=1, max_waiting=1)
    first, second = threading.Event(), threading.Event()
    await engine.start(_until(first))
    waiting = asyncio.gather(engine.start(_until(second)))
    await _settled(lambda: engine.waiting == 1)
    with pytest.raises(Overloaded, match=r"embedded\.max_waiting") as caught:
        await engine.start(_until(first))
    assert caught.value.retry_after_s is not None
    first.set()
    await waiting
    assert engine.waiting == 0
    second.set()
    await _settled(lambda: engine.state == "idle")
    await engine.aclose()


async def test_one_who_leaves_the_queue_leaves_no_hole(tmp_path: Path) -> None:
    """A waiter that is cancelled, before or after its turn has come, passes its place on."""
    engine = _engine(tmp_path, FakeOpener(), parallel=1, max_waiting=9)
    first, last = threading.Event(), threading.Event()
    await engine.start(_until(first))
    async with asyncio.TaskGroup() as group:
        leaving = [group.create_task(engine.start(_until(last))) for _ in range(2)]
        staying = group.create_task(engine.start(_until(last)))
        await _settled(lambda: engine.waiting == 3)
        leaving[0].cancel()
        first.set()
        await _settled(lambda: engine.waiting < 2)
        leaving[1].cancel()
        await asyncio.wait(leaving)
        last.set()
        await staying
    await _settled(lambda: engine.state == "idle")
    await engine.aclose()


async def test_unloads_when_idle_and_loads_again(tmp_path: Path) -> None:
    """Left alone it lets go of its memory; the next call loads it anew."""
    opener = FakeOpener()
    engine = _engine(tmp_path, opener, idle_unload_s=0.01)
    done = threading.Event()
    done.set()
    for turn in (1, 2):
        await (await engine.start(_until(done))).next()
        await _settled(lambda: engine.state == "unloaded" and opener.model.is_closed)
        assert len(opener.opened) == turn
    await engine.aclose()


async def test_never_unloads_at_zero(tmp_path: Path) -> None:
    """`idle_unload_s = 0` keeps it."""
    engine = _engine(tmp_path, FakeOpener(), idle_unload_s=0)
    done = threading.Event()
    done.set()
    await engine.start(_until(done))
    await _settled(lambda: engine.state == "idle")
    await asyncio.sleep(0.02)
    assert engine.state == "idle"
    await engine.aclose()


async def test_a_model_that_died_is_loaded_again(tmp_path: Path) -> None:
    """After a fault in the engine, the next call starts it anew."""
    opener = FakeOpener()
    engine = _engine(tmp_path, opener)
    done = threading.Event()
    done.set()
    await engine.start(_until(done))
    opener.model.is_alive = False
    opener.model = FakeModel()
    job = await engine.start(_until(done))
    assert await job.next() == "begun"
    assert len(opener.opened) == 2
    await engine.aclose()


async def test_a_failed_loading_frees_its_place(tmp_path: Path) -> None:
    """Who waits hears why, the reason is kept, and the next call tries again."""
    opener = FakeOpener(error=ModelUnavailable("too big"))
    engine = _engine(tmp_path, opener, parallel=1)
    done = threading.Event()
    done.set()
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match="too big"):
            await engine.start(_until(done))
        assert engine.error is not None
        assert engine.state == "unloaded"
    opener.error = OSError("disk gone")
    with pytest.raises(InternalError, match="disk gone"):
        await engine.start(_until(done))
    opener.error = None
    await engine.start(_until(done))
    assert engine.error is None
    await engine.aclose()


@pytest.mark.parametrize(
    ("content", "size_bytes", "reason"),
    [
        (chat_file()[:40], None, "cut"),
        (b"not a model", None, "begin"),
        (b"", None, "begin"),
        (chat_file(), 5, "instead of 5"),
    ],
)
async def test_a_damaged_file_is_never_opened(
    tmp_path: Path, content: bytes, size_bytes: int | None, reason: str
) -> None:
    """A file that is no whole model is refused before the engine sees it, with the remedy."""
    (tmp_path / "tiny.gguf").write_bytes(content)
    opener = FakeOpener()
    engine = _engine(tmp_path, opener, name="smollm2", size_bytes=size_bytes)
    with pytest.raises(ModelUnavailable, match=f"{reason}.*narthex models install smollm2"):
        await engine.start(_until(threading.Event()))
    assert opener.opened == []


@pytest.mark.parametrize(("name", "remedy"), [("smollm2", "narthex models install"), ("mine", "embedded.chat_model")])
async def test_a_missing_file_names_the_remedy(tmp_path: Path, name: str, remedy: str) -> None:
    """What is not there is said, with what to do for a packaged model and for one's own."""
    engine = _engine(tmp_path, FakeOpener(), name=name)
    engine.options.native.path.unlink()
    with pytest.raises(ModelUnavailable, match=remedy):
        await engine.start(_until(threading.Event()))


async def test_a_model_bigger_than_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than let the system end something, loading is refused."""
    monkeypatch.setattr(engine_module, "available_memory_bytes", lambda: 10)
    with pytest.raises(ModelUnavailable, match="memory"):
        await _engine(tmp_path, FakeOpener()).start(_until(threading.Event()))


async def test_closing_stops_everything(tmp_path: Path) -> None:
    """Running jobs are stopped, waiting ones refused, the model let go, and no more is taken."""
    opener = FakeOpener()
    engine = _engine(tmp_path, opener, parallel=1)
    never = threading.Event()
    job = await engine.start(_until(never))
    waiting = asyncio.gather(engine.start(_until(never)), return_exceptions=True)
    await _settled(lambda: engine.waiting == 1)
    await engine.aclose()
    (refused,) = await waiting
    assert isinstance(refused, Overloaded)
    assert await job.next() is None
    assert opener.model.is_closed
    with pytest.raises(Overloaded, match="stopping"):
        await engine.start(_until(never))


async def test_closing_waits_for_a_loading(tmp_path: Path) -> None:
    """A model that is being loaded at the end is let go too."""
    opener = FakeOpener(hold=threading.Event())
    engine = _engine(tmp_path, opener)
    starting = asyncio.gather(engine.start(_until(threading.Event())), return_exceptions=True)
    await _settled(lambda: bool(opener.opened))
    starting.cancel()
    async with asyncio.TaskGroup() as group:
        group.create_task(engine.aclose())
        await asyncio.sleep(0.01)
        assert opener.hold is not None
        opener.hold.set()
    assert opener.model.is_closed


async def test_closing_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that does not stop is left to end by itself."""
    monkeypatch.setattr(engine_module, "_CLOSE_TIMEOUT_S", 0.01)
    engine = _engine(tmp_path, FakeOpener())
    stubborn = threading.Event()

    def ignore(_native: NativeModel, _job: Job[str]) -> None:
        assert stubborn.wait(10)

    await engine.start(ignore)
    await engine.aclose()
    stubborn.set()
