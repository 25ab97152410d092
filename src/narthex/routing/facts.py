"""What is known of a call; what is costly to know is found out when a rule first asks, and once only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from narthex.errors import InvalidRequest
from narthex.types.dialects import Operation

Modality = Literal["image", "audio", "file"]
"""What a call carries beside text."""

MAX_TAGS: Final = 32
MAX_TAG_CHARACTERS: Final = 64

NONE: Final[frozenset[str]] = frozenset()
PLAIN: Final[frozenset[Modality]] = frozenset()


def _no_tokens() -> int:
    return 0


def _text_only() -> frozenset[Modality]:
    return PLAIN


def _no() -> bool:
    return False


def _nothing() -> str:
    return ""


def no_prefix(_auto: bool, /) -> bytes:
    """Return that nothing is to be made of how a call begins."""
    return b""


class Facts:
    """What rules and balancing may want to know of a call."""

    __slots__ = (
        "_find_input_tokens",
        "_find_key",
        "_find_modalities",
        "_find_tools",
        "_input_tokens",
        "_key",
        "_modalities",
        "_tools",
        "caller",
        "model",
        "operation",
        "prefix",
        "streaming",
        "tags",
        "tenant",
    )

    def __init__(  # noqa: PLR0913 - each is a fact of its own
        self,
        model: str,
        *,
        operation: Operation = Operation.CHAT,
        tags: frozenset[str] = NONE,
        streaming: bool = False,
        caller: str = "",
        tenant: str = "",
        input_tokens: Callable[[], int] = _no_tokens,
        modalities: Callable[[], frozenset[Modality]] = _text_only,
        tools: Callable[[], bool] = _no,
        key: Callable[[], str] = _nothing,
        prefix: Callable[[bool], bytes] = no_prefix,
    ) -> None:
        """Take in what is known, and how the rest is found out.

        Args:
            model: As asked for; empty for the default model.
            operation: What is asked.
            tags: From the header `x-narthex-tags`.
            streaming: Whether the answer is wanted as it comes.
            caller: Name of the key that calls.
            tenant: To whom that belongs.
            input_tokens: Estimates the tokens of the prompt.
            modalities: Tells what the call carries beside text.
            tools: Tells whether it offers tools.
            key: Tells by what its conversation is known: an ID, or its first messages; empty if by nothing.
            prefix: Tells how it begins, of calls that ask for it, or with True also of others that are large enough for
                a provider to keep that; empty if nothing is to be made of it.
        """
        self.model = model
        self.operation = operation
        self.tags = tags
        self.streaming = streaming
        self.caller = caller
        self.tenant = tenant
        self.prefix = prefix
        self._find_input_tokens = input_tokens
        self._find_modalities = modalities
        self._find_tools = tools
        self._find_key = key
        self._input_tokens: int | None = None
        self._modalities: frozenset[Modality] | None = None
        self._tools: bool | None = None
        self._key: str | None = None

    def input_tokens(self) -> int:
        """Return an estimate of the tokens of the prompt."""
        if self._input_tokens is None:
            self._input_tokens = self._find_input_tokens()
        return self._input_tokens

    def modalities(self) -> frozenset[Modality]:
        """Return what the call carries beside text."""
        if self._modalities is None:
            self._modalities = self._find_modalities()
        return self._modalities

    def tools(self) -> bool:
        """Tell whether the call offers tools."""
        if self._tools is None:
            self._tools = self._find_tools()
        return self._tools

    def key(self) -> str:
        """Return by what the conversation is known; empty if by nothing."""
        if self._key is None:
            self._key = self._find_key()
        return self._key


def read_tags(header: bytes | None) -> frozenset[str]:
    """Return the tags in a header `x-narthex-tags: batch, night`.

    Raises:
        InvalidRequest: There are too many, or one is too long or not printable ASCII.
    """
    if not header:
        return NONE
    tags = frozenset(tag for part in header.decode("latin-1").split(",") if (tag := part.strip()))
    if len(tags) > MAX_TAGS:
        raise InvalidRequest(f"header x-narthex-tags: {len(tags)} tags; at most {MAX_TAGS}", param="x-narthex-tags")
    for tag in tags:
        if not why_no_tag(tag):
            continue
        raise InvalidRequest(f"header x-narthex-tags: {tag[:80]!r} {why_no_tag(tag)}", param="x-narthex-tags")
    return tags


def why_no_tag(tag: str) -> str:
    """Return why a tag cannot be sent in the header; empty if it can."""
    if not tag or "," in tag or tag != tag.strip() or not tag.isascii() or not tag.isprintable():
        return "is no tag: write printable ASCII without commas"
    return f"is longer than {MAX_TAG_CHARACTERS} characters" if len(tag) > MAX_TAG_CHARACTERS else ""
