"""What a request says about the cache: `x-narthex-cache`, and `Cache-Control` as far as it concerns requests.

    x-narthex-cache: on; ttl=600; tags="invoices 2026"; prompt=reply@3; shared_by=key; namespace=v2; semantic=off

`Cache-Control` (https://www.rfc-editor.org/rfc/rfc9111#section-5.2.1): `no-store`, `no-cache`, `max-age`, `max-stale`,
`min-fresh`, `only-if-cached`. What is not known there is passed over, as the RFC has it; in our own it is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final, Literal, cast

import msgspec

MAX_TAGS: Final = 16
MAX_TAG_CHARACTERS: Final = 64
MAX_TTL_S: Final = 3_456_000.0
_MODES: Final = ("on", "off", "refresh", "only")
_SCOPES: Final = ("workspace", "key", "user")
_PACES: Final = ("none", "original")
_SWITCH: Final = ("on", "off")
_PARAMETER: Final = re.compile(r'\s*;\s*([a-z_]+)\s*=\s*(?:"([^"]*)"|([^;"\s]+))')
_HEAD: Final = re.compile(r"\s*([a-z]+)")
_NAME: Final = re.compile(r"[A-Za-z0-9_.:/@-]{1,64}")
_PROMPT: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}(@[A-Za-z0-9_.:/-]{1,64})?")
PROMPT_TAG: Final = "prompt:"
"""Begins the tag of the prompt that a question was made of."""
_SECONDS: Final = re.compile(r"[0-9]{1,10}")


class Directives(msgspec.Struct, frozen=True):
    """What a request says about the cache; None where it says nothing."""

    asked: bool = False
    """Whether it asks for the cache, whatever is usual."""
    look: bool = True
    """Whether it may be answered from there."""
    store: bool = True
    """Whether its answer may be put there."""
    only: bool = False
    """Whether it may not be answered from anywhere else."""
    said: bool = False
    """Whether its caller is told how it went in any case: our own header is there, or nothing may be kept."""
    ttl_s: float | None = None
    max_age_s: float | None = None
    max_stale_s: float | None = None
    min_fresh_s: float | None = None
    tags: tuple[str, ...] = ()
    shared_by: Literal["workspace", "key", "user"] | None = None
    namespace: str = ""
    """Tells apart what is asked in the same words."""
    semantic: bool = True
    """Whether the answer to a question that means the same will do."""
    original_pace: bool = False
    """Whether a stream that is given again comes as fast as it came first."""


NOTHING: Final = Directives()


class UnreadableDirective(ValueError):
    """The header is not one of ours; the message says what is wrong, and what it may be."""


@lru_cache(maxsize=1_024)
def read(own: bytes | None, control: bytes | None) -> Directives:
    """Read both headers; what is stricter of them holds.

    Raises:
        UnreadableDirective: Our own header says what it cannot say.
    """
    said = _read_own(own.decode("latin-1")) if own is not None else NOTHING
    return said if control is None else _with_control(said, control.decode("latin-1").lower())


def _read_own(text: str) -> Directives:
    head = _HEAD.match(text)
    if head is None or head[1] not in _MODES:
        message = f"{text[:40]!r} must begin with one of {', '.join(_MODES)}"
        raise UnreadableDirective(message)
    said, at = {}, head.end()
    while at < len(text.rstrip()):
        found = _PARAMETER.match(text, at)
        if found is None:
            message = f'{text[at : at + 40]!r} is no parameter; they are written as in `on; ttl=600; tags="a b"`'
            raise UnreadableDirective(message)
        said[found[1]] = found[2] if found[2] is not None else found[3]
        at = found.end()
    mode = head[1]
    return Directives(
        asked=mode != "off",
        look=mode in {"on", "only"},
        store=mode in {"on", "refresh"},
        only=mode == "only",
        said=True,
        **_parameters(said),  # type: ignore[arg-type]
    )


def _parameters(said: dict[str, str]) -> dict[str, object]:
    read_by: dict[str, Callable[[str], object]] = {
        "ttl": _ttl,
        "tags": _tags,
        "shared_by": _scope,
        "namespace": _namespace,
        "semantic": _semantic,
        "pace": _pace,
        "prompt": _prompt,
    }
    fields = {"ttl": "ttl_s", "pace": "original_pace"}
    for name in said:
        if name not in read_by:
            message = f"there is no parameter {name!r}; there are {', '.join(read_by)}"
            raise UnreadableDirective(message)
    found = {fields.get(name, name): read_by[name](value) for name, value in said.items()}
    prompt, tags = found.pop("prompt", None), found.get("tags", ())
    return found if prompt is None else {**found, "tags": (*cast("tuple[str, ...]", tags), prompt)}


def _ttl(text: str) -> float:
    try:
        ttl_s = float(text)
    except ValueError:
        ttl_s = -1.0
    if not 0 <= ttl_s <= MAX_TTL_S:
        message = f"`ttl` is a number of seconds from 0 to {MAX_TTL_S:.0f}, and not {text[:40]!r}"
        raise UnreadableDirective(message)
    return ttl_s


def _tags(text: str) -> tuple[str, ...]:
    tags = tuple(dict.fromkeys(text.replace(",", " ").split()))
    if len(tags) > MAX_TAGS or not all(_NAME.fullmatch(tag) for tag in tags):
        message = f"`tags` are up to {MAX_TAGS} words of at most {MAX_TAG_CHARACTERS} letters, digits and _.:/@-"
        raise UnreadableDirective(message)
    return tags


def _prompt(text: str) -> str:
    if not _PROMPT.fullmatch(text):
        message = (
            f"`prompt` is a name and a version, as in `reply@3`, of up to {MAX_TAG_CHARACTERS} signs: {text[:40]!r}"
        )
        raise UnreadableDirective(message)
    return f"{PROMPT_TAG}{text}"


def prompt_tags(names: Iterable[str]) -> tuple[str, ...]:
    """Return the tags of prompts as they are asked for: `reply@3` is a version, and `reply` are all of them."""
    return tuple(f"{PROMPT_TAG}{one}" for name in names for one in ([name] if "@" in name else [name, f"{name}@*"]))


def _scope(text: str) -> str:
    if text not in _SCOPES:
        message = f"`shared_by` is one of {', '.join(_SCOPES)}, and not {text[:40]!r}"
        raise UnreadableDirective(message)
    return text


def _namespace(text: str) -> str:
    if not _NAME.fullmatch(text):
        message = f"`namespace` is a word of at most {MAX_TAG_CHARACTERS} letters, digits and _.:/@-"
        raise UnreadableDirective(message)
    return text


def _semantic(text: str) -> bool:
    if text not in _SWITCH:
        message = f"`semantic` is one of {', '.join(_SWITCH)}, and not {text[:40]!r}"
        raise UnreadableDirective(message)
    return text == "on"


def _pace(text: str) -> bool:
    if text not in _PACES:
        message = f"`pace` is one of {', '.join(_PACES)}, and not {text[:40]!r}"
        raise UnreadableDirective(message)
    return text == "original"


def _with_control(said: Directives, text: str) -> Directives:
    parts = [part.strip().partition("=") for part in text.split(",")]
    # What is said twice is what was said first: https://www.rfc-editor.org/rfc/rfc9111#section-4.2.1
    control = {name.strip(): value.strip() for name, _, value in reversed(parts)}
    look, store = said.look, said.store
    if "no-store" in control:
        look = store = False
    if "no-cache" in control:
        look = False
    stale = control.get("max-stale")
    return msgspec.structs.replace(
        said,
        look=look,
        store=store,
        only=said.only or "only-if-cached" in control,
        said=said.said or "no-store" in control,
        max_age_s=_seconds(control.get("max-age")),
        min_fresh_s=_seconds(control.get("min-fresh")),
        max_stale_s=MAX_TTL_S if stale == "" else _seconds(stale),
    )


def _seconds(text: str | None) -> float | None:
    if text is None or not _SECONDS.fullmatch(text.strip('"')):
        return None
    return float(text.strip('"'))
