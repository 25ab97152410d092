"""Where dictionaries are kept."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from narthex.compression.dictionaries import (
    Dictionary,
    DictionaryStore,
    FolderDictionaries,
    MemoryDictionaries,
    dictionary,
)
from narthex.compression.zstandard import train
from tests.compression.samples import answers

Make = Callable[[], DictionaryStore]


@pytest.fixture(scope="module")
def made() -> list[Dictionary]:
    """Return dictionaries: two of one namespace, one of another."""
    contents = [train(answers(200, about=word), 8_192, 3) for word in ("a", "b", "c")]
    return [dictionary(name, content) for name, content in zip(("one", "one", "two"), contents, strict=True)]


@pytest.fixture(params=["memory", "folder"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Return what makes a store; that in a folder is another one each time."""
    if request.param == "folder":
        return lambda: FolderDictionaries(tmp_path / "dictionaries")
    memory = MemoryDictionaries()
    return lambda: memory


def test_all_of_a_namespace_stay(make: Make, made: list[Dictionary]) -> None:
    """A newer dictionary is gone on with, and the older ones are still there; after a start as well."""
    store = make()
    for one in made:
        store.put(one)
    for again in (store, make()):
        assert [again.get(one.id) for one in made] == made
        assert again.newest("two") == made[2]
        assert again.newest("one") == made[1]
        assert again.newest("three") is None
        assert again.get(b"absent") is None


def test_a_namespace_is_forgotten(make: Make, made: list[Dictionary]) -> None:
    """All of its dictionaries are gone, for others who look as well, and those of others stay."""
    store = make()
    for one in made:
        store.put(one)
    assert store.forget("one") == 2
    for again in (store, make()):
        assert [again.get(one.id) for one in made] == [None, None, made[2]]
        assert again.newest("one") is None


def test_the_id_follows_from_the_content(made: list[Dictionary]) -> None:
    """Two contents have two IDs, and one has one."""
    assert len({one.id for one in made}) == 3
    assert dictionary("elsewhere", made[0].content).id == made[0].id


def test_what_another_process_put_is_found(tmp_path: Path, made: list[Dictionary]) -> None:
    """Stores that share a folder read each other's dictionaries."""
    mine, other = FolderDictionaries(tmp_path), FolderDictionaries(tmp_path)
    assert mine.newest("one") is None
    other.put(made[0])
    assert mine.get(made[0].id) == made[0]


def test_a_damaged_file_is_none(tmp_path: Path, made: list[Dictionary], caplog: pytest.LogCaptureFixture) -> None:
    """A file that is not what was written is passed over, with a line in the log."""
    FolderDictionaries(tmp_path).put(made[0])
    (path,) = tmp_path.rglob("*.zdict")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        assert FolderDictionaries(tmp_path).get(made[0].id) is None
        assert FolderDictionaries(tmp_path).newest("one") is None
    assert "cannot be used" in caplog.text


def test_a_folder_holds_only_so_much_in_memory(tmp_path: Path, made: list[Dictionary]) -> None:
    """What there is no room for is read again, and files are for their owner alone."""
    store = FolderDictionaries(tmp_path, max_held_bytes=10_000)
    for one in made:
        store.put(one)
    assert [store.get(one.id) for one in made] == made
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*.zdict")} == {0o600}


def test_what_is_absent_is_looked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames whose dictionary is gone cost one look at the disk."""
    store, looks = FolderDictionaries(tmp_path), list[str]()
    glob = Path.glob

    def counted(path: Path, pattern: str) -> object:
        looks.append(pattern)
        return glob(path, pattern)

    monkeypatch.setattr(Path, "glob", counted)
    assert [store.get(b"gone!!") for _ in range(3)] == [None] * 3
    assert len(looks) == 1


def test_what_was_learned_before_a_time_is_forgotten(make: Make, made: list[Dictionary]) -> None:
    """Of whatever namespace, and nothing that was learned since."""
    store = make()
    for one in made:
        store.put(one)
    assert store.forget_before(time.time() - 60) == 0
    assert store.newest("two") == made[2]
    assert store.forget_before(time.time() + 60) == 3
    for again in (store, make()):
        assert [again.get(one.id) for one in made] == [None, None, None]
        assert again.newest("one") is None
    store.put(made[0])
    assert store.newest("one") == made[0]
