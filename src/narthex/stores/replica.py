"""What one process knows of the notes, and what it has to say itself.

A process acts on what it sees at once, and writes it down afterwards: for a moment it may stand otherwise than the
others. What it wrote is then taken or not, and whatever the table says in the end is what every process goes by:

    write ──► draft ──► table ──taken────► it holds
                          └────not taken─► the note that holds is adopted

While a draft of a topic is on its way, what others wrote on it is kept until the table has answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from narthex.stores.notes import Contents, Draft, Manner, Note, Verdict

MAX_KNOWN: Final = 16_384
"""Topics whose last note is remembered; beyond it the one known for longest is forgotten."""

_STRENGTH: Final = tuple(Manner)


@dataclass(slots=True)
class _Known:
    """The last note on a topic, and when it was read."""

    note: Note
    read_s: float


@dataclass(slots=True)
class _Written:
    """A draft of our own, and when it was written."""

    draft: Draft
    written_s: float


class Replica:
    """The notes as one process has them; pure, driven by whoever speaks with the table."""

    def __init__(
        self,
        writer: str,
        *,
        adopt: Callable[[Note], None],
        standing: Callable[[], Iterable[Draft]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin without notes.

        Args:
            writer: Name of this process among all.
            adopt: Takes over what a note of another process says.
            standing: Returns a draft for each topic on which this process has something to say now.
            clock: Says the seconds.
        """
        self.writer = writer
        self._adopt = adopt
        self._standing = standing
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._drafts: dict[str, _Written] = {}
        self._sent: dict[str, _Written] = {}
        self._heard: dict[str, Note] = {}
        self._born = ""
        self.on_write: Callable[[], None] = _nothing
        """Called when there is something to send."""
        self.adopted = 0
        """Notes taken over."""
        self.posted = 0
        """Notes of ours that hold or held."""

    @property
    def settled(self) -> bool:
        """Whether the table has answered everything that was written here."""
        return not self._drafts and not self._sent

    def write(self, draft: Draft) -> None:
        """Have a note written; a draft on the same topic that was not sent yet is dropped for it."""
        self._keep(_Written(draft, self._clock()), over=self._drafts.pop(draft.topic, None))
        self.on_write()

    def next(self) -> Draft | None:
        """Return a draft to be sent now, as it reads by now; whoever takes it tells what became of it."""
        topic = next((topic for topic in self._drafts if topic not in self._sent), None)
        if topic is None:
            return None
        written = self._sent[topic] = self._drafts.pop(topic)
        age_s = self._clock() - written.written_s
        draft = written.draft
        known = self._known.get(topic)
        keep_s = None if draft.keep_s is None else max(0.001, draft.keep_s - age_s)
        base = known.note.version if known is not None else 0
        return replace(draft, base=base, left_s=max(0.0, draft.left_s - age_s), keep_s=keep_s)

    def answered(self, topic: str, verdict: Verdict) -> None:
        """Take note of what became of the draft that was sent on a topic."""
        self._sent.pop(topic, None)
        self.posted += verdict.taken
        heard, note = self._heard.pop(topic, None), verdict.note
        is_ours = verdict.taken
        if heard is not None and heard.version > note.version:
            note, is_ours = heard, False
        self._learn(note)
        if is_ours:
            return
        later = self._drafts.get(topic)
        if later is not None and later.draft.manner is Manner.CLAIM:
            # It followed from what does not hold.
            del self._drafts[topic]
        if topic not in self._drafts:
            self._take_over(note)

    def heard(self, note: Note) -> None:
        """Take note of what another process wrote."""
        topic = note.topic
        if note.writer == self.writer:
            return
        known = self._known.get(topic)
        if topic in self._sent or topic in self._drafts:
            before = self._heard.get(topic)
            if before is None or before.version < note.version:
                self._heard[topic] = note
        elif known is None or known.note.version < note.version:
            self._learn(note)
            self._take_over(note)

    def joined(self, contents: Contents) -> None:
        """Bring together what was found on the table and what is known here, after having been away from it."""
        is_lost = contents.born != self._born
        self._born = contents.born
        before, self._known = self._known, {}
        self._heard.clear()
        found = {note.topic: note for note in contents.notes}
        for note in found.values():
            self._learn(note)
            known = before.get(note.topic)
            if not is_lost and known is not None and known.note.version == note.version:
                continue
            draft = self._drafts.get(note.topic)
            if draft is not None and draft.draft.manner is not Manner.CLAIM:
                continue
            self._drafts.pop(note.topic, None)
            self._take_over(note)
        self._stand(found, is_lost=is_lost)

    def left(self) -> None:
        """Take note that the table cannot be reached: what it did not answer is to be sent again."""
        for topic, written in self._sent.items():
            later = self._drafts.get(topic)
            self._keep(written if later is None else later, over=written)
        self._sent.clear()
        self._heard.clear()

    def told(self, topic: str) -> Note | None:
        """Return the note on a topic, as it reads by now; None if none is known."""
        known = self._known.get(topic)
        if known is None:
            return None
        age_s = self._clock() - known.read_s
        return replace(known.note, left_s=max(0.0, known.note.left_s - age_s))

    def _stand(self, found: dict[str, Note], *, is_lost: bool) -> None:
        """Say what is known here and not on the table: it was lost there, or let go while we were away."""
        for draft in self._standing():
            if draft.topic in found or draft.topic in self._drafts:
                continue
            if is_lost:
                self.write(replace(draft, manner=Manner.RESTORE))
            elif draft.held:
                gone = Note(topic=draft.topic, text="", version=0, held=False, left_s=0.0, writer="")
                self._take_over(gone)

    def _keep(self, written: _Written, *, over: _Written | None) -> None:
        """Keep a draft to be sent in place of another, with the stronger right of the two."""
        if over is not None and _STRENGTH.index(over.draft.manner) < _STRENGTH.index(written.draft.manner):
            written.draft = replace(written.draft, manner=over.draft.manner)
        self._drafts[written.draft.topic] = written

    def _learn(self, note: Note) -> None:
        if len(self._known) >= MAX_KNOWN and note.topic not in self._known:
            del self._known[next(iter(self._known))]
        self._known[note.topic] = _Known(note, self._clock())

    def _take_over(self, note: Note) -> None:
        self.adopted += 1
        self._adopt(note)


def _nothing() -> None:
    """Do nothing."""
