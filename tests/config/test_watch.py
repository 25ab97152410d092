"""The settings again when their file changes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from narthex.config.load import Loaded, load
from narthex.config.watch import watch
from narthex.errors import ConfigError

GOOD = "[server]\nport = {}\n"


def start(folder: Path, **flags: object) -> Loaded:
    """Load a first file."""
    (folder / "narthex.toml").write_text(GOOD.format(1))
    return load(environ={"HOME": str(folder)}, directory=folder, flags=flags)


async def after(changes: AsyncIterator[Loaded | ConfigError], act: Callable[[], object]) -> Loaded | ConfigError:
    """Repeat an act until it is noticed: the watch begins in another thread, at a time of its own."""
    waiting = asyncio.ensure_future(anext(changes))
    for _ in range(200):
        act()
        done, _pending = await asyncio.wait({waiting}, timeout=0.25)
        if done:
            break
    return await waiting


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that another thread or the loop will do."""
    for _ in range(2_000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never happened")


def port_of(change: Loaded | ConfigError) -> int:
    """Return the port of settings that could be loaded."""
    assert isinstance(change, Loaded)
    return change.settings.server.port


async def test_a_changed_file_is_loaded(tmp_path: Path) -> None:
    """New content yields new settings; a file replaced by another, as editors do it, as well."""
    loaded = start(tmp_path, **{"log.keep_files": 3})
    ports = iter(range(2, 10_000))

    def rewrite() -> None:
        (tmp_path / "narthex.toml").write_text(GOOD.format(next(ports)))

    def replace() -> None:
        (tmp_path / "new").write_text(GOOD.format(next(ports)))
        (tmp_path / "new").replace(tmp_path / "narthex.toml")

    async with aclosing(watch(loaded)) as changes:
        first = await after(changes, rewrite)
        assert port_of(first) >= 2
        second = await after(changes, replace)
        assert port_of(second) > port_of(first)
        assert isinstance(second, Loaded)
        assert second.settings.log.keep_files == 3


async def test_a_change_before_the_watch_is_noticed(tmp_path: Path) -> None:
    """Nothing is lost between loading and watching."""
    loaded = start(tmp_path)
    (tmp_path / "narthex.toml").write_text(GOOD.format(2))
    async with aclosing(watch(loaded)) as changes:
        assert port_of(await anext(changes)) == 2


async def test_a_broken_file_yields_its_error_and_mending_it_the_settings(tmp_path: Path) -> None:
    """The watch goes on through a file that cannot be used."""
    loaded = start(tmp_path)
    numbers = iter(range(10_000))
    async with aclosing(watch(loaded)) as changes:
        error = await after(changes, lambda: (tmp_path / "narthex.toml").write_text(f"port = {next(numbers)}\n"))
        assert isinstance(error, ConfigError)
        assert "server.port" in str(error)
        mended: Loaded | ConfigError = error
        while isinstance(mended, ConfigError):
            mended = await after(
                changes, lambda: (tmp_path / "narthex.toml").write_text(GOOD.format(next(numbers) + 10))
            )
        assert port_of(mended) >= 10


async def test_a_swapped_link_is_noticed(tmp_path: Path) -> None:
    """Kubernetes swaps a link beside the file; the file's own link never changes."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "narthex.toml").symlink_to("data/narthex.toml")
    loaded = start(tmp_path)
    names = iter(["two", "one"] * 10_000)
    ports = iter(range(2, 10_000))

    def swap() -> None:
        name = next(names)
        (tmp_path / name / "narthex.toml").write_text(GOOD.format(next(ports)))
        (tmp_path / "link").symlink_to(name)
        (tmp_path / "link").replace(tmp_path / "data")

    async with aclosing(watch(loaded.file or tmp_path)) as changes:
        assert port_of(await after(changes, swap)) >= 2


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")
async def test_a_hangup_loads_again(tmp_path: Path) -> None:
    """SIGHUP reloads even without a file, for secrets that changed; afterwards its old meaning is back."""
    loaded = load(environ={"HOME": str(tmp_path)}, directory=tmp_path)
    before = signal.getsignal(signal.SIGHUP)
    async with aclosing(watch(loaded)) as changes:
        waiting = asyncio.ensure_future(anext(changes))
        await until(lambda: signal.getsignal(signal.SIGHUP) != before)
        os.kill(os.getpid(), signal.SIGHUP)
        assert port_of(await waiting) == 8484
    assert signal.getsignal(signal.SIGHUP) == before


async def test_a_folder_that_is_gone_leaves_the_signal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A watch that cannot be held says so and does not end."""
    gone = tmp_path / "gone" / "narthex.toml"
    async with aclosing(watch(gone, on_signal=False)) as changes:
        waiting = asyncio.ensure_future(anext(changes))
        await until(lambda: "no longer watched" in caplog.text)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
