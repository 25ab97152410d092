"""References in secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.config.references import UnresolvedReference, resolve

ENVIRON = {"KEY": "value", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("${KEY}", "value"),
        ("Bearer ${KEY}!", "Bearer value!"),
        ("${KEY}${KEY}", "valuevalue"),
        ("${KEY:-other}", "value"),
        ("${NONE:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${NONE:-}", ""),
        ("$${KEY}", "${KEY}"),
        ("$KEY", "$KEY"),
        ("plain", "plain"),
    ],
)
def test_variables_are_resolved(text: str, resolved: str) -> None:
    """A variable, its default and an escaped dollar sign are what they say."""
    assert resolve(text, environ=ENVIRON, directory=Path()) == resolved


@pytest.mark.parametrize("text", ["${NONE}", "${EMPTY}", "${KEY", "${}", "${A B}", "${1}"])
def test_what_leads_nowhere_is_refused(text: str) -> None:
    """A missing variable and a malformed reference are told, with the remedy."""
    with pytest.raises(UnresolvedReference, match=r"\$\{"):
        resolve(text, environ=ENVIRON, directory=Path())


def test_a_file_gives_its_content_without_the_last_line_end(tmp_path: Path) -> None:
    """Secrets mounted as files are read, by absolute and by relative path."""
    (tmp_path / "secret").write_text("sk-1\n")
    assert resolve(f"file:{tmp_path}/secret", environ={}, directory=Path("/")) == "sk-1"
    assert resolve("file:secret", environ={}, directory=tmp_path) == "sk-1"


def test_a_file_that_cannot_serve_is_refused(tmp_path: Path) -> None:
    """Missing, binary and huge files and folders are told apart in words."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "huge").write_bytes(b"x" * 100_000)
    reasons = {"missing": "no such file", "binary": "not UTF-8", "huge": "larger", ".": "directory"}
    for name, reason in reasons.items():
        with pytest.raises(UnresolvedReference, match=reason):
            resolve(f"file:{name}", environ={}, directory=tmp_path)


@given(st.text().filter(lambda text: "${" not in text and not text.startswith("file:")))
def test_text_without_references_stays(text: str) -> None:
    """A secret that holds no reference is left as it is."""
    assert resolve(text, environ={}, directory=Path()) == text
