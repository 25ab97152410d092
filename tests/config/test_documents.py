"""Configuration files found and read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.config.documents import FILE_NAMES, children, find_file, read_document
from narthex.config.origins import Origin


def read(folder: Path, data: bytes, name: str = "narthex.toml") -> tuple[dict[str, object], list[str]]:
    """Read a file of these bytes; return what it says, and what is wrong with it."""
    (folder / name).write_bytes(data)
    document = read_document(folder / name, directory=folder)
    return document.values, [str(problem) for problem in document.problems]


def test_a_file_is_read_with_places(tmp_path: Path) -> None:
    """Each value knows the line it stands on."""
    (tmp_path / "narthex.toml").write_text("[log]\nlevel = 'info'\n")
    document = read_document(tmp_path / "narthex.toml", directory=tmp_path)
    assert document.values == {"log": {"level": "info"}}
    assert document.origins["log", "level"] == Origin(kind="file", name="narthex.toml", line=2, column=1)


@pytest.mark.parametrize("name", FILE_NAMES)
def test_an_empty_file_says_nothing(tmp_path: Path, name: str) -> None:
    """Empty files, and files of comments only, are as good as none."""
    assert read(tmp_path, b"", name) == ({}, [])
    assert read(tmp_path, b"# nothing\n", name) == ({}, [])


def test_files_of_another_system_are_read(tmp_path: Path) -> None:
    """A byte order mark and carriage returns, as Windows writes them, do not matter."""
    assert read(tmp_path, b"\xef\xbb\xbf[log]\r\nlevel = 'info'\r\n") == ({"log": {"level": "info"}}, [])


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"a = " + b"[" * 5000, "nested too deeply"),
        (b"a = " + b"9" * 5000, "not valid TOML"),
        (b"#" * 5_000_000, "larger than 4194304 bytes"),
        (b"ok = 1\n\xff", "narthex.toml:2:1: not UTF-8"),
    ],
)
def test_absurd_files_are_refused(tmp_path: Path, data: bytes, problem: str) -> None:
    """Depth, size and bytes that are no text get one message each."""
    values, (found,) = read(tmp_path, data)
    assert values == {}
    assert problem in found


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """What cannot be read is told with the reason and the option."""
    document = read_document(tmp_path, directory=tmp_path.parent)
    assert document.is_broken
    assert "is a directory; name another with `--config`" in str(document.problems[0])


def test_half_a_character_is_refused(tmp_path: Path) -> None:
    """YAML can spell what no text can hold."""
    values, (problem,) = read(tmp_path, b'a: "\\ud800"\n', "narthex.yaml")
    assert values == {}
    assert "narthex.yaml:1:" in problem


def test_without_files_none_is_found(tmp_path: Path) -> None:
    """No file is no problem; a named one is taken as it is, there or not."""
    environ = {"HOME": str(tmp_path)}
    assert find_file(named=None, environ=environ, directory=tmp_path) == (None, [])
    assert find_file(named=Path("x.toml"), environ=environ, directory=tmp_path) == (tmp_path / "x.toml", [])


def test_leaves_are_found() -> None:
    """Lists and empty tables count as values."""
    assert dict(children({"a": {"b": 1, "c": {}}, "d": [1]})) == {("a", "b"): 1, ("a", "c"): {}, ("d",): [1]}


@given(st.binary(max_size=80), st.sampled_from(FILE_NAMES))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str) -> None:
    """Nonsense gives a problem of one line, never an exception."""
    _, problems = read(tmp_path_factory.mktemp("any"), data, name)
    assert all("\n" not in problem for problem in problems)
