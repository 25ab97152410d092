"""The questions that have an answer: by text and by vector, within one scope, up to a number and to a size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from narthex.cache.semantic.contract import Index, Question
from narthex.cache.semantic.marks import Marks
from narthex.cache.semantic.vectors import EXACT_LIMIT, GrowingIndex

_OVERHEAD_BYTES = 2_500
"""What an entry takes besides its text and its vector: its marks and its places in the indexes, measured."""
_JUDGEMENTS = 16


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """A question whose answer is kept, and who brought it."""

    number: int
    scope: bytes
    tenant: str
    namespace: str
    text: str
    marks: Marks
    key: bytes
    """Under which its answer is kept."""
    principal: str | None
    """Who asked it first; None is anonymous."""
    is_sighted: bool = False
    """Whether a second principal asked the very same, and so vouches for it."""
    vector: bytes | None = None
    judgements: list[tuple[float, bool]] = field(default_factory=list)
    correction: float = 0.0
    """What is added to scores of its pairs, learned from its judgements."""

    @property
    def size(self) -> int:
        """Bytes it takes, about."""
        return _OVERHEAD_BYTES + 4 * len(self.text) + 3 * len(self.vector or b"")

    def remember(self, score: float, *, same: bool) -> None:
        """Keep a judgement; of many, the latest count."""
        self.judgements.append((score, same))
        del self.judgements[:-_JUDGEMENTS]


class Entries:
    """Entries in order of use; those used longest ago go when there is no room."""

    def __init__(self, *, most: int, most_bytes: int, exact_limit: int = EXACT_LIMIT) -> None:
        GrowingIndex(limit=exact_limit)  # says at once when numpy is missing
        self._most, self._most_bytes, self._exact_limit = most, most_bytes, exact_limit
        self._by_number: OrderedDict[int, Entry] = OrderedDict()
        self._by_text: dict[tuple[bytes, str], Entry] = {}
        self._by_key: dict[bytes, set[int]] = {}
        self._indexes: dict[tuple[bytes, str], Index] = {}
        self._next = 1
        self.bytes_used = 0
        self.evicted = 0

    def __len__(self) -> int:
        """Return how many entries there are."""
        return len(self._by_number)

    def __iter__(self) -> Iterator[Entry]:
        """Go through the entries, those used longest ago first."""
        return iter(self._by_number.values())

    def get(self, number: int) -> Entry | None:
        """Return an entry."""
        return self._by_number.get(number)

    def used(self, entry: Entry) -> None:
        """Count a use."""
        self._by_number.move_to_end(entry.number)

    def same_text(self, question: Question) -> Entry | None:
        """Return the entry of a question's scope with the same text, however it is typed."""
        return self._by_text.get((question.scope, question.marks.folded))

    def nearest(self, question: Question, count: int) -> list[tuple[Entry, float]]:
        """Return entries of a question's scope and namespace with their cosines, nearest first."""
        index = self._indexes.get((question.scope, question.namespace))
        if index is None or question.vector is None:
            return []
        return [(self._by_number[number], cosine) for number, cosine in index.nearest(question.vector, count)]

    def put(self, question: Question, key: bytes) -> Entry:
        """Add a question with the key of its answer, or renew the one with the same text.

        One that somebody vouched for keeps the key that they vouched for: two requests with one normalised text may
        differ in what is not to be seen in it. For the same reason one of somebody else is replaced, and not renewed.
        """
        known = self.same_text(question)
        if known is None:
            return self._added(self._made(question, key))
        if known.key != key and known.is_sighted:
            self.used(known)
            return known
        if known.key != key and known.principal != question.principal:
            self.drop(known)
            return self._added(self._made(question, key))
        if known.namespace == question.namespace or question.vector is None:
            self._renew(known, key)
            return known
        self.drop(known)
        entry = self._made(question, key)
        entry.principal, entry.is_sighted = known.principal, known.is_sighted
        return self._added(entry)

    def adopt(self, question: Question, key: bytes, *, is_sighted: bool) -> bool:
        """Take in what another process learned; tell whether anything is known that was not.

        What this process knows of the same text holds, but for who vouches for it.
        """
        known = self.same_text(question)
        if known is None:
            self._added(self._made(question, key)).is_sighted = is_sighted
            return True
        if known.key != key or known.is_sighted or not is_sighted:
            return False
        known.is_sighted = True
        return True

    def _added(self, entry: Entry) -> Entry:
        self._add(entry)
        while len(self._by_number) > self._most or (self.bytes_used > self._most_bytes and len(self._by_number) > 1):
            self.drop(next(iter(self._by_number.values())))
            self.evicted += 1
        return entry

    def drop(self, entry: Entry) -> None:
        """Take an entry out."""
        del self._by_number[entry.number]
        self._by_text.pop((entry.scope, entry.marks.folded), None)
        self._unkey(entry)
        self.bytes_used -= entry.size
        place = (entry.scope, entry.namespace)
        index = self._indexes.get(place)
        if index is not None and entry.vector is not None:
            index.remove(entry.number)
            if not len(index):
                del self._indexes[place]

    def of_key(self, key: bytes) -> list[Entry]:
        """Return the entries whose answer is kept under a key."""
        return [self._by_number[number] for number in self._by_key.get(key, ())]

    def _made(self, question: Question, key: bytes) -> Entry:
        number, self._next = self._next, self._next + 1
        return Entry(
            number=number,
            scope=question.scope,
            tenant=question.tenant,
            namespace=question.namespace,
            text=question.text,
            marks=question.marks,
            key=key,
            principal=question.principal,
            vector=question.vector,
        )

    def _add(self, entry: Entry) -> None:
        self._by_number[entry.number] = entry
        self._by_text[(entry.scope, entry.marks.folded)] = entry
        self._by_key.setdefault(entry.key, set()).add(entry.number)
        self.bytes_used += entry.size
        if entry.vector is not None:
            place = (entry.scope, entry.namespace)
            index = self._indexes.get(place)
            if index is None:
                index = self._indexes[place] = GrowingIndex(limit=self._exact_limit)
            index.add(entry.number, entry.vector)

    def _renew(self, entry: Entry, key: bytes) -> None:
        """Take note that a question is asked and answered again."""
        self.used(entry)
        if entry.key != key:
            self._unkey(entry)
            entry.key = key
            self._by_key.setdefault(key, set()).add(entry.number)

    def _unkey(self, entry: Entry) -> None:
        numbers = self._by_key.get(entry.key)
        if numbers is not None:
            numbers.discard(entry.number)
            if not numbers:
                del self._by_key[entry.key]
