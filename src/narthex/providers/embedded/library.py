"""Which models there are: packaged ones, and any GGUF file put into the models folder or named in the settings."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from narthex.config.settings import EmbeddedSettings
from narthex.errors import ModelNotFound
from narthex.providers.embedded.gguf import Header, NotGguf, read_header
from narthex.providers.embedded.prompts import Habits
from narthex.providers.embedded.weights import WEIGHTS, Weights, file_of
from narthex.types.catalog import Capability, ModelFacts

PROVIDER = "local"

_CHAT: frozenset[Capability] = frozenset({"chat", "streaming", "tools", "json_schema", "logprobs"})
_EMBEDDINGS: frozenset[Capability] = frozenset({"embeddings"})
_EMBEDDING_WINDOW = 512

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """One model, whether its file is there or not."""

    id: str
    path: Path
    kind: Literal["chat", "embeddings"]
    is_installed: bool
    title: str | None
    context_tokens: int
    """Window of one conversation or text."""
    dimensions: int | None = None
    size_bytes: int | None = None
    """What the file's size must be, if that is known."""
    habits: Habits = field(default_factory=Habits)

    def facts(self) -> ModelFacts:
        """Return what the catalog says of it."""
        title = self.title or self.id
        is_chat = self.kind == "chat"
        return ModelFacts(
            id=self.id,
            provider=PROVIDER,
            capabilities=_CHAT if is_chat else _EMBEDDINGS,
            context_tokens=self.context_tokens,
            max_output_tokens=self.context_tokens if is_chat else None,
            dimensions=self.dimensions,
            input_microusd_per_mtok=0,
            output_microusd_per_mtok=0,
            description=title
            if self.is_installed
            else f"{title}; not installed: run `narthex models install {self.id}`",
        )


class Library:
    """Looks at the disk: models may come and go while the server runs."""

    def __init__(self, settings: EmbeddedSettings, models_dir: Path) -> None:
        self._settings = settings
        self._models_dir = models_dir.expanduser()
        self._chat_model = settings.chat_model.expanduser() if settings.chat_model else None
        self._headers: dict[tuple[Path, int, int], Header | None] = {}

    @property
    def chat_model(self) -> str:
        """The name of the chat model that stands first: the configured one, otherwise the packaged one."""
        if self._chat_model is not None:
            return self._chat_model.stem
        return next(one.name for one in WEIGHTS.values() if one.kind == "chat" and one.is_default)

    def models(self) -> tuple[LocalModel, ...]:
        """Return the packaged models offered by default, then every other model whose file is there.

        Reads the heads of files it has not seen before: a matter of a thread.
        """
        found = {one.name: self._packaged(one) for one in WEIGHTS.values()}
        models = [model for name, model in found.items() if WEIGHTS[name].is_default or model.is_installed]
        paths = sorted(self._models_dir.glob("*.gguf")) if self._models_dir.is_dir() else []
        if self._chat_model is not None:
            paths.insert(0, self._chat_model)
        for path in paths:
            if path.stem not in found and (model := self._own(path)) is not None:
                found[path.stem] = model
                models.append(model)
        return tuple(models)

    def model(self, name: str) -> LocalModel:
        """Return one model.

        Raises:
            ModelNotFound: There is no such packaged model, and no such file.
        """
        weights = WEIGHTS.get(name)
        if weights is not None:
            return self._packaged(weights)
        is_chosen = self._chat_model is not None and self._chat_model.stem == name
        path = self._chat_model if is_chosen and self._chat_model else self._models_dir / f"{name}.gguf"
        model = self._own(path) if path.parent == self._models_dir or is_chosen else None
        if model is None:
            raise ModelNotFound(f"no embedded model is called {name!r}; `narthex models` lists those there are")
        return model

    def is_installed(self, name: str) -> bool:
        """Tell whether a model's file is there."""
        if self._chat_model is not None and self._chat_model.stem == name:
            return self._chat_model.is_file()
        return file_of(name, self._models_dir).is_file()

    def _packaged(self, weights: Weights) -> LocalModel:
        path = file_of(weights.name, self._models_dir)
        return LocalModel(
            id=weights.name,
            path=path,
            kind=weights.kind,
            is_installed=path.is_file(),
            title=weights.title,
            context_tokens=self._window(weights.kind, weights.context_tokens),
            dimensions=weights.dimensions,
            size_bytes=weights.size_bytes,
            habits=Habits(
                temperature=weights.temperature,
                top_p=weights.top_p,
                max_output_tokens=weights.max_output_tokens,
            ),
        )

    def _own(self, path: Path) -> LocalModel | None:
        """Return the model in a file of the user's; None if it is none."""
        header = self._header(path)
        if header is None:
            # What the settings name is offered all the same, so that a call hears what is wrong with it.
            return self._unreadable(path) if path == self._chat_model else None
        kind: Literal["chat", "embeddings"] = "embeddings" if header.is_embedder else "chat"
        return LocalModel(
            id=path.stem,
            path=path,
            kind=kind,
            is_installed=True,
            title=header.name,
            context_tokens=self._window(kind, header.context_tokens),
            dimensions=header.embedding_length if header.is_embedder else None,
        )

    def _unreadable(self, path: Path) -> LocalModel:
        return LocalModel(
            id=path.stem,
            path=path,
            kind="chat",
            is_installed=path.is_file(),
            title=None,
            context_tokens=self._settings.context_tokens,
        )

    def _window(self, kind: Literal["chat", "embeddings"], trained: int | None) -> int:
        wanted = self._settings.context_tokens if kind == "chat" else _EMBEDDING_WINDOW
        return min(wanted, trained) if trained else wanted

    def _header(self, path: Path) -> Header | None:
        try:
            found = path.stat()
            key = (path, found.st_size, found.st_mtime_ns)
            if key not in self._headers:
                self._headers[key] = self._read(path)
            return self._headers[key]
        except OSError:
            return None

    @staticmethod
    def _read(path: Path) -> Header | None:
        try:
            return read_header(path)
        except (NotGguf, ValueError) as error:
            _log.warning("%s is passed over: %s", path, error)
            return None
