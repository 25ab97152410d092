"""Compressing by kind and namespace, and learning meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.compression.compressor import ASIDE_BYTES, READ_ASIDE_BYTES, Compressor
from narthex.compression.contract import CodecName, Kind, Policy
from narthex.compression.dictionaries import Dictionary, FolderDictionaries, MemoryDictionaries
from narthex.compression.frames import unframed
from narthex.errors import CorruptFrame, DictionaryMissing, FrameUnreadable
from tests.compression.samples import answers

SMALL = Policy(dictionary_bytes=16_384, threshold_bytes=64)


class Learning:
    """A compressor, and what it does beside."""

    def __init__(self, policy: Policy = SMALL, store: MemoryDictionaries | FolderDictionaries | None = None) -> None:
        """Begin with nothing learned."""
        self.tasks: list[asyncio.Task[None]] = []
        self.compressor = Compressor({"cache": policy}, store or MemoryDictionaries(), self.spawn, random=Random(1))

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Run something."""

        async def run() -> None:
            await work

        self.tasks.append(asyncio.get_running_loop().create_task(run()))

    async def teach(self, count: int = 256, namespace: str = "acme", about: str = "chat.completion") -> list[bytes]:
        """Have it compress answers, and wait until it has learned; return the frames."""
        frames = [
            self.compressor.compress(one, kind="cache", namespace=namespace) for one in answers(count, about=about)
        ]
        await asyncio.gather(*self.tasks)
        return frames


@pytest.fixture(scope="module")
def taught() -> Compressor:
    """Return one that has a dictionary."""

    async def teach() -> Compressor:
        learning = Learning()
        await learning.teach()
        return learning.compressor

    return asyncio.run(teach())


UNCHANGED: dict[Kind, Policy] = {"responses": Policy(codec="none", threshold_bytes=0)}
UNTRAINED: dict[Kind, Policy] = {"documents": Policy(trains=False), "cache": SMALL}


@pytest.mark.parametrize("codec", ["zstd", "gzip", "brotli", "none"])
@given(data=st.binary(max_size=3_000) | st.text(alphabet="abc ", max_size=3_000).map(str.encode))
def test_what_goes_in_comes_out(codec: CodecName, data: bytes) -> None:
    """Any bytes are given back as they were, whatever the policy is by then."""
    compressor = Compressor({"responses": Policy(codec=codec)}, MemoryDictionaries())
    frame = compressor.compress(data, kind="responses")
    assert len(frame) <= len(data) + 11
    compressor.policies = UNCHANGED
    assert compressor.decompress(frame, kind="responses") == data


@given(data=st.data(), number=st.integers(0, 50))
def test_what_was_damaged_is_never_taken_for_something_else(
    taught: Compressor, data: st.DataObject, number: int
) -> None:
    """A flipped bit, a cut or foreign bytes are an error, with a dictionary as well; never a wrong value."""
    plain = answers(300)[-1 - number]
    frame = bytearray(taught.compress(plain, kind="cache", namespace="acme"))
    assert unframed(bytes(frame)).dictionary is not None
    place = data.draw(st.integers(0, 8 * len(frame) - 1))
    frame[place // 8] ^= 1 << place % 8
    with pytest.raises(FrameUnreadable):
        taught.decompress(bytes(frame), kind="cache", namespace="acme")
    with pytest.raises(FrameUnreadable):
        taught.decompress(bytes(frame[: data.draw(st.integers(0, len(frame)))]), kind="cache", namespace="acme")
    with pytest.raises(FrameUnreadable):
        taught.decompress(data.draw(st.binary(max_size=100)), kind="cache", namespace="acme")


def test_what_is_small_or_does_not_shrink_stays_as_it_is() -> None:
    """Below the threshold nothing is tried, and what would grow is not."""
    compressor = Compressor({"cache": SMALL}, MemoryDictionaries())
    for data in (b"a" * 63, Random(1).randbytes(5_000)):
        assert unframed(compressor.compress(data, kind="cache")).codec == "none"
    assert unframed(compressor.compress(b"a" * 64, kind="cache")).codec == "zstd"


async def test_a_namespace_learns_a_dictionary() -> None:
    """After enough answers those that follow are half as large as before, and the first are still read."""
    learning = Learning()
    before = await learning.teach()
    after = learning.compressor.compress(answers(257)[-1], kind="cache", namespace="acme")
    assert unframed(after).dictionary is not None
    assert len(after) * 2 < len(before[-1])
    assert learning.compressor.stats.trained == 1
    plain = [learning.compressor.decompress(one, kind="cache", namespace="acme") for one in before]
    assert plain == answers(256)


async def test_learning_anew_loses_nothing() -> None:
    """What was written with an older dictionary is read when there is a newer one."""
    learning = Learning()
    await learning.teach()
    old = learning.compressor.compress(answers(1)[0], kind="cache", namespace="acme")
    await learning.teach(800, about="quite another kind of answer")
    new = learning.compressor.compress(answers(1)[0], kind="cache", namespace="acme")
    assert learning.compressor.stats.trained == 2
    assert unframed(old).dictionary != unframed(new).dictionary
    assert {learning.compressor.decompress(one, kind="cache", namespace="acme") for one in (old, new)} == {
        answers(1)[0]
    }


async def test_a_dictionary_outlives_its_process(tmp_path: Path) -> None:
    """After a start the namespace goes on with it, and reads what was written before."""
    learning = Learning(store=FolderDictionaries(tmp_path))
    await learning.teach()
    frame = learning.compressor.compress(answers(1)[0], kind="cache", namespace="acme")
    again = Compressor({"cache": SMALL}, FolderDictionaries(tmp_path))
    assert again.decompress(frame, kind="cache", namespace="acme") == answers(1)[0]
    assert again.compress(answers(1)[0], kind="cache", namespace="acme") == frame


async def test_without_its_dictionary_a_frame_is_told_apart(taught: Compressor) -> None:
    """What was written with a dictionary that is gone, or read as another tenant's, says so."""
    frame = taught.compress(answers(1)[0], kind="cache", namespace="acme")
    elsewhere = Compressor({"cache": SMALL}, MemoryDictionaries())
    with pytest.raises(DictionaryMissing):
        elsewhere.decompress(frame, kind="cache", namespace="acme")
    with pytest.raises(DictionaryMissing):
        taught.decompress(frame, kind="cache", namespace="other")
    assert elsewhere.stats.missing == 1


async def test_what_was_learned_is_forgotten() -> None:
    """What is to be erased leaves nothing in a dictionary, not even in one that is being made."""
    learning = Learning()
    await learning.teach()
    frame = learning.compressor.compress(answers(1)[0], kind="cache", namespace="acme")
    assert learning.compressor.forget("cache", "acme") == 1
    with pytest.raises(DictionaryMissing):
        learning.compressor.decompress(frame, kind="cache", namespace="acme")
    for one in answers(256):
        learning.compressor.compress(one, kind="cache", namespace="acme")
    await learning.compressor.forget_before(time.time() + 60)
    await asyncio.gather(*learning.tasks)
    after = learning.compressor.compress(answers(1)[0], kind="cache", namespace="acme")
    assert unframed(after).dictionary is None


@pytest.mark.parametrize(("kind", "namespace"), [("documents", "acme"), ("cache", "")])
async def test_nothing_is_learned_where_nothing_may_be(kind: Kind, namespace: str) -> None:
    """Kinds that do not train, and data of no namespace, leave no samples."""
    learning = Learning()
    learning.compressor.policies = UNTRAINED
    for one in answers(300):
        learning.compressor.compress(one, kind=kind, namespace=namespace)
    assert learning.tasks == []


async def test_what_is_large_leaves_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large data is compressed and decompressed in a thread, small data is not."""
    compressor = Compressor({"cache": SMALL}, MemoryDictionaries())
    where: list[bool] = []
    made, read = Compressor._made, Compressor.decompress

    def noted(self: Compressor, *arguments: object) -> bytes:
        where.append(threading.current_thread() is threading.main_thread())
        return made(self, *arguments)  # type: ignore[arg-type]  # as they came

    def noted_too(self: Compressor, frame: bytes, **more: object) -> bytes:
        where.append(threading.current_thread() is threading.main_thread())
        return read(self, frame, **more)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(Compressor, "_made", noted)
    monkeypatch.setattr(Compressor, "decompress", noted_too)
    data = (bytes(ASIDE_BYTES), Random(1).randbytes(ASIDE_BYTES + 1), bytes(READ_ASIDE_BYTES + 1))
    for one in data:
        frame = await compressor.compress_aside(one, kind="cache")
        assert await compressor.decompress_aside(frame, kind="cache") == one
    assert where == [True, True, False, True, False, False]


async def test_a_store_that_is_full_costs_only_the_dictionary(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dictionary that cannot be kept is not used, and compressing goes on."""

    def full(self: MemoryDictionaries, dictionary: Dictionary) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(MemoryDictionaries, "put", full)
    learning = Learning()
    await learning.teach(300)
    frame = learning.compressor.compress(answers(1)[0], kind="cache", namespace="acme")
    assert unframed(frame).dictionary is None


def test_what_is_corrupt_is_counted() -> None:
    """Damage is seen in the figures."""
    compressor = Compressor({}, MemoryDictionaries())
    with pytest.raises(CorruptFrame):
        compressor.decompress(b"nonsense that is no frame", kind="documents")
    assert compressor.stats.corrupt == 1
