"""What is asked, what was found, and who is asked to judge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Protocol

from narthex.cache.semantic.guards import Reason
from narthex.cache.semantic.marks import Marks, read

Category = Literal["code", "howto", "fact", "choice", "order", "other"]
"""What kind of question it is; each has a threshold and a bound of its own."""
CATEGORIES: tuple[Category, ...] = ("code", "howto", "fact", "choice", "order", "other")
Embed = Callable[[str], Awaitable[Sequence[float]]]
"""Makes a vector of a text."""
Judge = Callable[[str, str], Awaitable[bool | None]]
"""Tells whether two questions have the same answer; None where it cannot tell. It may take its time."""
Held = Reason | Literal["unlikely", "unsure", "closed", "unadmitted", "judged"]
"""Why the nearest entry was not served: a guard's reason, or what came after the guards."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """The last thing a user said, and the digest of everything else that shapes the answer."""

    scope: bytes
    """Tenant, model, system prompt, tools, format, parameters, language and the conversation so far."""
    tenant: str
    text: str
    """What is asked, normalised."""
    category: Category
    principal: str | None = None
    """Who asks within the tenant; None is anonymous."""
    namespace: str = ""
    """How the vector was made; vectors of two namespaces are never compared."""
    vector: bytes | None = None
    """Float32 in this machine's byte order, of length one; None until it is embedded."""

    @cached_property
    def marks(self) -> Marks:
        """What the question names, counts and denies."""
        return read(self.text)

    def embedded(self, vector: bytes | None, namespace: str) -> Question:
        """Return the same question with its vector."""
        return replace(self, vector=vector, namespace=namespace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A question and the entry it was held against."""

    entry: int
    scope: bytes
    question: str
    """The text that is asked."""
    known: str
    """The entry's text."""
    category: Category
    score: float
    """The verifier's, as log odds, with what was learned of the entry."""
    was_served: bool
    features: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticHit:
    """An entry that answers the question."""

    key: bytes
    """Under which the answer is kept."""
    similarity: float
    """Cosine of the two vectors; 1 for an alias. It is no probability of anything."""
    confidence: float
    """The verifier's probability that the answer is the same."""
    pair: Pair
    is_alias: bool
    is_sampled: bool
    """Whether the answer is also to be generated, compared, and `judged`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """The nearest entry, not served."""

    key: bytes
    similarity: float
    confidence: float
    pair: Pair
    reason: Held


class Index(Protocol):
    """Finds the nearest of many vectors of one length."""

    def __len__(self) -> int:
        """Return how many vectors there are."""
        ...

    def add(self, label: int, vector: bytes) -> None:
        """Add a vector under a label that is not yet there."""
        ...

    def remove(self, label: int) -> None:
        """Take a vector out; a label that is not there is none."""
        ...

    def nearest(self, vector: bytes, count: int) -> list[tuple[int, float]]:
        """Return labels and cosines of the nearest, best first."""
        ...
