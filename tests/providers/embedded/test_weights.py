"""The packaged models as rows, and their files."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from narthex.errors import ModelNotFound
from narthex.providers.embedded import weights
from narthex.providers.embedded.weights import WEIGHTS, file_of, has_right_size, locate, sha256_of, state_of


@pytest.mark.parametrize("name", WEIGHTS)
def test_every_row_is_pinned(name: str) -> None:
    """Each package is pinned by version and hash, each file by its hash, and the sizes agree."""
    row = WEIGHTS[name]
    digests = [row.sha256, *(d for one in row.packages for d in (one.wheel_sha256, one.file_sha256))]
    assert row.name == name
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in digests)
    assert all(re.fullmatch(r"\d+(\.\d+)+", one.version) for one in row.packages)
    if row.build == "join":
        assert sum(one.size_bytes for one in row.packages) == row.size_bytes


def test_one_chat_model_and_one_embedder_are_the_default() -> None:
    """What is offered unasked is one of each kind."""
    assert sorted(row.kind for row in WEIGHTS.values() if row.is_default) == ["chat", "embeddings"]


def test_tells_right_from_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is missing, damaged by its size or by its content, or what it should be."""
    content = b"weights"
    row = replace(WEIGHTS["smollm2"], size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(weights, "WEIGHTS", {"smollm2": row})
    assert state_of("smollm2", tmp_path) == "missing"
    assert locate("smollm2", tmp_path) is None
    path = file_of("smollm2", tmp_path)
    for wrong in (b"", b"weight", b"weighty"):
        path.write_bytes(wrong)
        assert state_of("smollm2", tmp_path) == "damaged"
    assert has_right_size("smollm2", path)
    path.write_bytes(content)
    assert state_of("smollm2", tmp_path) == "ok"
    assert locate("smollm2", tmp_path) == path


def test_an_unknown_name_is_refused_with_those_there_are(tmp_path: Path) -> None:
    """The message lists the packaged models."""
    with pytest.raises(ModelNotFound, match="smollm2, minilm"):
        state_of("gpt-9", tmp_path)


def test_a_digest_is_of_the_whole_file(tmp_path: Path) -> None:
    """Files longer than a block are read to their end."""
    content = bytes(range(256)) * 5_000
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()
