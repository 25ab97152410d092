"""The settings built once: defaults, then a file, then the environment, then flags; every problem told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from narthex.config.addresses import is_loopback
from narthex.config.checks import Contradiction, contradictions
from narthex.config.discovery import survey
from narthex.config.documents import Document, children, find_file, read_document
from narthex.config.environment import read_environment
from narthex.config.layers import Layers
from narthex.config.options import annotation_at, option_at, options
from narthex.config.origins import DEFAULT, KeyPath, Origin, dotted
from narthex.config.problems import Problem, did_you_mean, lines
from narthex.config.references import UnresolvedReference, resolve
from narthex.config.settings import Settings
from narthex.config.validation import validate
from narthex.errors import ConfigError

_FLAGS = {"log.level": "--log-level", "server.open_browser": "--open"}
_FOUND = ("kind", "base_url", "api_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The settings, and how they came about."""

    settings: Settings
    """Complete: paths absolute, references resolved, known vendors filled in, found providers added."""
    origins: Mapping[str, Origin]
    """Where each value came from, by its dotted path; what is not listed is a default."""
    warnings: tuple[str, ...]
    """What is probably not meant, a line each."""
    file: Path | None
    """The configuration file read; None if there is none."""
    digest: bytes | None = field(repr=False, compare=False)
    """SHA-256 of that file as it was read."""
    again: Callable[[], Loaded] = field(repr=False, compare=False)
    """Builds the settings once more, from the same file, environment and flags; raises as `load` does."""

    def origin_of(self, path: str) -> Origin:
        """Return where the value at a dotted path came from, or the nearest thing around it."""
        while path:
            if path in self.origins:
                return self.origins[path]
            path = path.rpartition(".")[0]
        return DEFAULT


def load(
    *,
    file: Path | None = None,
    environ: Mapping[str, str],
    flags: Mapping[str, object] | None = None,
    directory: Path | None = None,
) -> Loaded:
    """Build the settings.

    Args:
        file: The configuration file; by default `NARTHEX_CONFIG`, else `narthex.toml` (or `.yaml`, `.yml`) in
            `directory`, else in `$XDG_CONFIG_HOME/narthex`.
        environ: The environment, usually `os.environ`.
        flags: Values from the command line by dotted path, such as `server.port`; None means not given.
        directory: Where to look and where relative paths of flags and variables begin; by default the working one.

    Raises:
        ConfigError: Something cannot be used; `problems` has every fault found, a line each.
    """
    folder = directory or Path.cwd()
    loading = _Loading(environ=environ, directory=folder)
    settings, document = loading.run(file, flags or {})
    return Loaded(
        settings=settings,
        origins=loading.origins(settings),
        warnings=tuple(loading.warnings),
        file=document.path,
        digest=document.digest,
        again=lambda: load(file=document.path, environ=environ, flags=flags, directory=folder),
    )


class _Loading:
    """One run of `load`, step by step."""

    def __init__(self, *, environ: Mapping[str, str], directory: Path) -> None:
        self._environ = environ
        self._directory = directory
        self._layers = Layers()
        self._problems: list[Problem] = []
        self.warnings: list[str] = []

    def run(self, file: Path | None, flags: Mapping[str, object]) -> tuple[Settings, Document]:
        """Go through all steps.

        Raises:
            ConfigError: One of them found something that cannot be used; all of them were tried.
        """
        document = self._read_file(file)
        self._read_environment()
        self._read_flags(flags)
        unresolved = tuple(self._resolve_references(document))
        self._complete_paths(document)
        validated = validate(self._layers)
        self._problems += validated.problems
        settings = self._completed(validated.settings)
        if not document.is_broken:
            self._check(settings, (*validated.pruned, *unresolved))
        if self._problems:
            raise ConfigError(lines(self._problems))
        self._warn(settings)
        return settings, document

    def _read_file(self, named: Path | None) -> Document:
        path, problems = find_file(named=named, environ=self._environ, directory=self._directory)
        document = read_document(path, directory=self._directory) if path else Document()
        self._layers.add_document(document.values, document.origins)
        self._problems += [*problems, *document.problems]
        return document

    def _read_environment(self) -> None:
        reading = read_environment(self._environ, known=self._layers.values)
        for assignment in reading.assignments:
            self._layers.add(assignment.path, assignment.value, assignment.origin)
        self._problems += reading.problems
        self.warnings += reading.warnings

    def _read_flags(self, flags: Mapping[str, object]) -> None:
        known = {option.name for option in options()}
        for name, value in flags.items():
            origin = Origin(kind="flag", name=_FLAGS.get(name, "--" + name.rpartition(".")[2].replace("_", "-")))
            if name not in known:
                message = f"sets no option{did_you_mean(name, known)}"
                self._problems.append(Problem(message=message, origin=origin))
            elif value is not None:
                plain = str(value) if isinstance(value, Path) else value
                self._layers.add(tuple(name.split(".")), plain, origin)

    def _resolve_references(self, document: Document) -> Iterator[KeyPath]:
        """Replace references in place; yields the paths that could not be resolved."""
        folder = document.path.parent if document.path else self._directory
        for path, text in [*_texts(self._layers.values)]:
            option = option_at(path)
            if option is None or not option.has_references:
                continue
            try:
                self._replace(path, resolve(text, environ=self._environ, directory=folder))
            except UnresolvedReference as error:
                origin = self._layers.origin_of(path)
                self._problems.append(Problem(message=str(error), path=path, origin=origin))
                yield path

    def _complete_paths(self, document: Document) -> None:
        """Make paths absolute: those of a file begin at its folder, others at the working directory."""
        for path, text in [*_texts(self._layers.values)]:
            if annotation_at(path) is Path:
                is_in_file = self._layers.origin_of(path).kind == "file" and document.path is not None
                folder = cast("Path", document.path).parent if is_in_file else self._directory
                self._replace(path, str(folder / _at_home(Path(text), self._environ)))

    def _replace(self, path: KeyPath, value: str) -> None:
        holder: object = self._layers.values
        for part in path[:-1]:
            holder = cast("dict[str | int, object]", holder)[part]
        # An empty key is how `${NAME:-}` says "none".
        cast("dict[str | int, object]", holder)[path[-1]] = value or (None if path[-1] == "api_key" else value)

    def _completed(self, settings: Settings) -> Settings:
        """Add what is known of vendors and what the environment offers."""
        found = survey(self._environ, settings)
        self.warnings += found.warnings
        for path, variable in found.variables.items():
            for filled in (path,) if len(path) > 2 else (path, *((*path, name) for name in _FOUND)):
                self._layers.note(filled, Origin(kind="discovered", name=variable))
        update = {
            "providers": {**settings.providers, **found.providers},
            "data_dir": self._directory / _at_home(settings.data_dir, self._environ),
        }
        return settings.model_copy(update=update)

    def _check(self, settings: Settings, faulty: tuple[KeyPath, ...]) -> None:
        for found in contradictions(settings):
            if not _is_void(found, faulty):
                origin = self._layers.origin_of(found.path)
                self._problems.append(Problem(message=found.message, path=found.path, origin=origin))

    def _warn(self, settings: Settings) -> None:
        if not settings.embedded.enabled and settings.default_model == Settings.model_fields["default_model"].default:
            self.warnings.append("default_model: names the embedded model, which is off; calls must name their model")
        for name, provider in settings.providers.items():
            address = provider.base_url or ""
            is_open = address.startswith("http://") and not is_loopback(urlsplit(address).hostname or "")
            if provider.all_keys and is_open:
                self.warnings.append(f"providers.{name}.base_url: the key travels unencrypted; use `https://`")

    def origins(self, settings: Settings) -> dict[str, Origin]:
        """Return the origin of every value of the settings that is not a default."""
        leaves = (path for path, _ in children(settings.model_dump()))
        return {dotted(path): self._layers.origin_of(path) for path in leaves if self._layers.has(path)}


def _is_void(found: Contradiction, faulty: tuple[KeyPath, ...]) -> bool:
    """Tell whether a conclusion rests on something that is itself at fault."""
    grounds = (found.path, *found.depends)
    return any(
        fault == ground[: len(fault)] or ground == fault[: len(ground)] for fault in faulty for ground in grounds
    )


def _texts(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Yield every text below a value with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*path, str(key)))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*path, index))


def _at_home(path: Path, environ: Mapping[str, str]) -> Path:
    """Resolve a leading `~` by the environment given, which need not be that of the process."""
    if path.parts[:1] == ("~",) and environ.get("HOME"):
        return Path(environ["HOME"], *path.parts[1:])
    try:
        return path.expanduser()
    except RuntimeError:  # `~nobody`: no such user, so it is the name of a folder
        return path
