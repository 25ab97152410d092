"""Settings from the environment: `NARTHEX_SECTION__KEY`, lists and tables as JSON, and a few short names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from narthex.config.options import annotation_at, is_list, is_table, names_at, options, section_in
from narthex.config.origins import KeyPath, Origin
from narthex.config.problems import Problem, nearest

PREFIX = "NARTHEX_"
API_KEYS = "NARTHEX_API_KEYS"
MASTER_KEY = "NARTHEX_MASTER_KEY"
OTHER_NAMES: Mapping[str, str] = {
    "NARTHEX_CONFIG": "the configuration file to read",
    API_KEYS: "API keys that clients may present, comma-separated; in place of `keys`",
    MASTER_KEY: "the master key, under which secrets are sealed; in place of `secrets.master_key`",
    "NARTHEX_URL": "address of the server that `narthex run` and the Python client talk to",
    "NARTHEX_API_KEY": "key that `narthex run` and the Python client present",
    "NARTHEX_PASSPHRASE": "what an exported workspace is sealed under",
    "NARTHEX_DEBUG": "show tracebacks on the command line",
}
"""Variables with our prefix that are not options, and what they mean."""

_VALUES = frozenset({API_KEYS, MASTER_KEY})

# Kubernetes describes a service called "narthex" to every pod in these words.
_KUBERNETES = re.compile(r"NARTHEX_(?:SERVICE_(?:HOST|PORT)(?:_\w+)?|PORT_\d+_(?:TCP|UDP)(?:_\w+)?)")
_WHOLE = re.compile(r"[-+]?\d+")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_TRUTH = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One value for one path, and where it came from."""

    path: KeyPath
    value: object
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentReading:
    """What the environment says about the settings."""

    assignments: tuple[Assignment, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]


def read_environment(environ: Mapping[str, str], *, known: Mapping[str, object]) -> EnvironmentReading:
    """Read every `NARTHEX_` variable; empty ones count as not set.

    A variable with `__` in it can only be meant for us, so an unknown one is a problem; any other unknown one may
    belong to the surroundings, so it is a warning.

    Args:
        environ: The environment.
        known: The values so far, for names such as `my.model` that a variable can only spell `MY_MODEL`.
    """
    assignments: list[Assignment] = []
    problems: list[Problem] = []
    warnings: list[str] = []
    for name in sorted(environ):
        if not name.startswith(PREFIX) or not environ[name] or (name in OTHER_NAMES and name not in _VALUES):
            continue
        outcome = _read(name, environ, known)
        match outcome:
            case Problem():
                problems.append(outcome)
            case Assignment():
                assignments.append(outcome)
            case str():
                warnings.append(outcome)
            case None:
                pass
    return EnvironmentReading(assignments=tuple(assignments), problems=tuple(problems), warnings=tuple(warnings))


def _read(name: str, environ: Mapping[str, str], known: Mapping[str, object]) -> Assignment | Problem | str | None:
    text, origin = environ[name], Origin(kind="environment", name=name)
    if not text.isprintable() and "\udc80" <= max(text) <= "\udcff":
        return Problem(message="not UTF-8 text", origin=origin)
    if name == API_KEYS:
        return _api_keys(text, origin, environ)
    path = ("secrets", "master_key") if name == MASTER_KEY else path_of(name, known)
    if path is None:
        return _unknown(name, text, origin)
    return _assign(path, text, origin)


def _assign(path: KeyPath, text: str, origin: Origin) -> Assignment | Problem:
    try:
        value = value_of(text, annotation_at(path))
    except ValueError as error:
        return Problem(message=str(error), path=path, origin=origin)
    return Assignment(path=path, value=value, origin=origin)


def _api_keys(text: str, origin: Origin, environ: Mapping[str, str]) -> Assignment | Problem:
    if environ.get("NARTHEX_KEYS"):
        return Problem(message="stands beside NARTHEX_KEYS; keep one of them", path=("keys",), origin=origin)
    keys = [key.strip() for key in text.split(",") if key.strip()]
    value = [{"name": f"key-{number}", "key": key} for number, key in enumerate(keys, start=1)]
    return Assignment(path=("keys",), value=value, origin=origin)


def _unknown(name: str, text: str, origin: Origin) -> Problem | str | None:
    if _KUBERNETES.fullmatch(name) or text.startswith(("tcp://", "udp://")):
        return None
    whole = _list_around(name)
    if whole:
        return Problem(message=f"a list is set whole, as JSON in {whole}", origin=origin)
    meant = _probably_meant(name)
    remedy = f"; did you mean {meant}?" if meant else "; `narthex config schema --markdown` lists what does"
    if "__" in name:
        return Problem(message=f"no such option{remedy}", origin=origin)
    return f"{name}: means nothing here{remedy}"


def _list_around(name: str) -> str | None:
    """Return the variable of the list into which a name tries to reach."""
    while "__" in name:
        name = name.rpartition("__")[0]
        path = path_of(name, {})
        if path and is_list(annotation_at(path)):
            return name
    return None


def _probably_meant(name: str) -> str | None:
    word = name.removeprefix(PREFIX)
    names = {known.removeprefix(PREFIX) for known in known_names()}
    at_home = (known for known in sorted(names) if known.rpartition("__")[2] == word)
    found = next(at_home, None) or nearest(word, names)
    return f"{PREFIX}{found}" if found else None


def known_names() -> Iterator[str]:
    """Yield every variable that means something, with `NAME` where the user names a provider or alias."""
    yield from OTHER_NAMES
    for option in options():
        if option.environment_name:
            yield option.environment_name


def path_of(variable: str, known: Mapping[str, object]) -> KeyPath | None:
    """Return the path that a variable sets; None if there is no such option."""
    path: KeyPath = ()
    table = known
    for word in variable.removeprefix(PREFIX).split("__"):
        part = _part(path, word, table)
        if part is None:
            return None
        below = table.get(part)
        path, table = (*path, part), cast("Mapping[str, object]", below) if isinstance(below, Mapping) else {}
    return path


def _part(path: KeyPath, word: str, table: Mapping[str, object]) -> str | None:
    names = names_at(path)
    if names:
        return word.lower() if word.lower() in names else None
    annotation = annotation_at(path)
    if not word or not (is_table(annotation) or annotation is object):
        return None
    spelled = {re.sub(r"[.-]", "_", name).upper(): name for name in table}
    return spelled.get(word.upper(), word.lower())


def value_of(text: str, annotation: object) -> object:
    """Read a variable's text as a value of the type; what does not fit is left for validation to refuse.

    Raises:
        ValueError: A list, table or section is not given as JSON.
    """
    stripped = text.strip()
    if annotation is bool:
        return _TRUTH.get(stripped.lower(), text)
    if annotation is int and _WHOLE.fullmatch(stripped):
        return int(stripped)
    if annotation is float and _NUMBER.fullmatch(stripped):
        return float(stripped)
    if annotation is object:
        return _json_or_text(text)
    if is_list(annotation) or is_table(annotation) or section_in(annotation):
        return _composite(stripped, annotation)
    return text


def _composite(text: str, annotation: object) -> object:
    if is_list(annotation) and not section_in(annotation) and not text.startswith("["):
        return [word.strip() for word in text.split(",") if word.strip()]
    kind: Literal["list", "table"] = "list" if is_list(annotation) else "table"
    example = "[…]" if kind == "list" else '{"name": …}'
    try:
        value = _decoded(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected a {kind} as JSON, such as `{example}`") from error
    if not isinstance(value, list if kind == "list" else dict):
        raise ValueError(f"expected a {kind} as JSON, such as `{example}`")  # noqa: TRY004 - one error for the caller
    return value


def _json_or_text(text: str) -> object:
    try:
        return _decoded(text)
    except (ValueError, RecursionError):
        return text


def _decoded(text: str) -> object:
    value: object = json.loads(text, parse_constant=_refuse_constant)
    json.dumps(value, ensure_ascii=False).encode()  # refuses half surrogate pairs, which no UTF-8 can carry
    return value


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
