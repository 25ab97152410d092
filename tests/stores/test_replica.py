"""However notes cross each other on their way, all processes come to stand alike."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from narthex.stores import replica as module
from narthex.stores.notes import Draft, Manner, MemoryTable, Note, Verdict
from narthex.stores.replica import Replica
from narthex.testing.clock import FakeClock

TOPIC = "a"
FORCED = "forced"
KEEP_S = 1e9


@dataclass(slots=True)
class Node:
    """A process: how each topic stands with it, its replica, and its way to the table, on which everything may lie."""

    name: str
    table: MemoryTable
    clock: FakeClock
    stands: dict[str, str] = field(default_factory=dict)
    inbox: deque[Note] = field(default_factory=deque)
    answers: deque[tuple[str, Verdict]] = field(default_factory=deque)
    online: bool = False
    replica: Replica = field(init=False)

    def __post_init__(self) -> None:
        self.replica = Replica(self.name, adopt=self._adopt, standing=self._standing, clock=self.clock)

    def _adopt(self, note: Note) -> None:
        self.stands[note.topic] = note.text

    def _standing(self) -> Iterator[Draft]:
        for topic, text in self.stands.items():
            if text:
                yield self.draft(topic, text, Manner.EVENT)

    def draft(self, topic: str, text: str, manner: Manner) -> Draft:
        """Return a draft; a text that says so is held by hand."""
        held = text.startswith(FORCED)
        return Draft(topic=topic, text=text, manner=manner, held=held, left_s=5.0, keep_s=None if held else KEEP_S)

    def change(self, topic: str, text: str, manner: Manner) -> None:
        """Stand otherwise from now on, and write it down; what is held by hand changes by hand alone."""
        if manner is Manner.HAND or not self.stands.get(topic, "").startswith(FORCED):
            self.stands[topic] = text
            self.replica.write(self.draft(topic, text, manner))

    def hear_of(self, note: Note) -> None:
        """Be told by the table."""
        if self.online:
            self.inbox.append(note)

    def join(self) -> None:
        """Reach the table (again)."""
        self.online = True
        self.replica.joined(self.table.contents())

    def lose(self) -> None:
        """Lose the way to the table, with all that is on it."""
        self.online = False
        self.inbox.clear()
        self.answers.clear()
        self.replica.left()

    def send(self) -> bool:
        """Send the next draft; its answer is on its way."""
        draft = self.replica.next() if self.online else None
        if draft is None:
            return False
        self.answers.append((draft.topic, self.table.put(draft, self.name)))
        return True

    def read_answer(self) -> bool:
        """Read one answer."""
        if not self.answers:
            return False
        self.replica.answered(*self.answers.popleft())
        return True

    def read_note(self) -> bool:
        """Read one note."""
        if not self.inbox:
            return False
        self.replica.heard(self.inbox.popleft())
        return True


def nodes(*names: str, table: MemoryTable | None = None) -> list[Node]:
    """Return processes that share a table, all connected."""
    clock = FakeClock()
    shared = table or MemoryTable(clock)
    made = [Node(name, shared, clock) for name in names]
    for one in made:
        shared.readers.append(one.hear_of)
        one.join()
    return made


def settle(*every: Node, notes_first: bool = False) -> None:
    """Let everything arrive that is on its way."""
    moved = True
    while moved:
        if notes_first:
            steps = [one.send() or one.read_note() for one in every]
            steps += [not any(steps) and one.read_answer() for one in every]
        else:
            steps = [one.send() or one.read_answer() or one.read_note() for one in every]
        moved = any(steps)


def test_what_one_writes_all_stand_by() -> None:
    """A change is adopted by the others, and by nobody twice."""
    one, other = nodes("one", "other")
    one.change("a", "open", Manner.EVENT)
    settle(one, other)
    assert (one.stands, other.stands) == ({"a": "open"}, {"a": "open"})
    assert (one.replica.posted, one.replica.adopted, other.replica.adopted) == (1, 0, 1)
    assert one.replica.settled


def test_a_newcomer_learns_what_holds() -> None:
    """Whoever comes later stands as the others do, also after whoever wrote it is gone."""
    (one,) = nodes("one")
    one.change("a", FORCED, Manner.HAND)
    settle(one)
    one.lose()
    newcomer = Node("new", one.table, one.clock)
    newcomer.join()
    assert newcomer.stands == {"a": FORCED}
    assert newcomer.replica.told("a") is not None
    assert newcomer.replica.told("b") is None


def test_a_hand_wins_over_what_happens_at_the_same_time() -> None:
    """Forced by one while another opens by itself: forced it is, for both."""
    one, other = nodes("one", "other")
    one.change("a", FORCED, Manner.HAND)
    other.change("a", "open", Manner.EVENT)
    one.send()
    settle(one, other)
    assert one.stands == other.stands == {"a": FORCED}
    other.change("a", "", Manner.HAND)
    settle(one, other)
    assert one.stands == other.stands == {"a": ""}


def test_only_one_of_two_claims_holds() -> None:
    """Two who go on from the same note cannot both: the later one stands by the earlier."""
    one, other = nodes("one", "other")
    one.change("a", "open", Manner.EVENT)
    settle(one, other)
    one.change("a", "probed by one", Manner.CLAIM)
    other.change("a", "probed by other", Manner.CLAIM)
    settle(other, one)
    assert one.stands == other.stands
    assert (one.replica.posted, other.replica.posted) in {(2, 0), (1, 1)}


def test_what_follows_from_a_refused_claim_is_dropped() -> None:
    """A step taken on ground that was lost is not told."""
    one, other = nodes("one", "other")
    one.change("a", "open", Manner.EVENT)
    settle(one, other)
    other.change("a", "open again", Manner.EVENT)
    one.change("a", "probing", Manner.CLAIM)
    other.send()
    one.send()
    one.change("a", "closed", Manner.CLAIM)
    settle(one, other)
    assert one.stands == other.stands == {"a": "open again"}


def test_news_that_overtake_an_answer_are_not_lost() -> None:
    """A note that is newer than ours and comes before the answer to ours is stood by in the end."""
    one, other = nodes("one", "other")
    one.change("a", "mine", Manner.EVENT)
    one.send()
    other.read_note()
    other.change("a", "newer", Manner.EVENT)
    other.send()
    one.read_note()
    one.read_note()
    assert one.stands["a"] == "mine"
    settle(one, other)
    assert one.stands == other.stands == {"a": "newer"}


def test_a_claim_does_not_stand_on_news_it_never_saw() -> None:
    """What follows from our own note is refused where another has come between, read or not."""
    one, other = nodes("one", "other")
    one.change("a", "open", Manner.EVENT)
    one.send()
    other.change("a", "open too", Manner.EVENT)
    other.send()
    one.change("a", "closed", Manner.CLAIM)
    settle(one, other)
    assert one.stands == other.stands == {"a": "open too"}


def test_what_was_changed_while_away_is_told_on_return() -> None:
    """Alone, a process goes by what it sees, and says so when it is back; a claim only if nothing else happened."""
    one, other = nodes("one", "other")
    one.change("a", "open", Manner.EVENT)
    one.change("b", "open", Manner.EVENT)
    settle(one, other)
    one.lose()
    one.change("a", "", Manner.CLAIM)
    one.change("b", "", Manner.CLAIM)
    other.change("b", "open again", Manner.EVENT)
    settle(other)
    one.join()
    settle(one, other)
    assert one.stands == other.stands == {"a": "", "b": "open again"}


def test_the_stronger_right_is_kept_when_drafts_are_joined() -> None:
    """Let go by hand and open again before anybody was told: the hand's right is not lost with its note."""
    one, other = nodes("one", "other")
    one.change("a", FORCED, Manner.HAND)
    settle(one, other)
    one.lose()
    one.change("a", "", Manner.HAND)
    one.change("a", "open", Manner.EVENT)
    one.join()
    settle(one, other)
    assert one.stands == other.stands == {"a": "open"}


def test_an_unanswered_draft_is_sent_again() -> None:
    """Cut off before the answer, nobody knows whether it was taken: it is told again."""
    one, other = nodes("one", "other")
    one.change("a", "open", Manner.EVENT)
    one.send()
    one.lose()
    assert not one.replica.settled
    one.join()
    settle(one, other)
    assert one.stands == other.stands == {"a": "open"}
    assert one.replica.settled


def test_what_the_table_lost_is_restored() -> None:
    """A server that kept nothing is told again what holds, by whoever comes first."""
    one, other = nodes("one", "other")
    one.change("a", FORCED, Manner.HAND)
    other.change("b", "open", Manner.EVENT)
    settle(one, other)
    for each in (one, other):
        each.lose()
    one.table.lose()
    other.join()
    settle(other)
    newcomer = Node("new", one.table, one.clock)
    newcomer.join()
    assert newcomer.stands == {"a": FORCED, "b": "open"}


def test_a_restoration_does_not_bring_back_what_was_let_go() -> None:
    """Let go by hand after the loss, it stays so, whoever comes back later."""
    one, other = nodes("one", "other")
    one.change("a", FORCED, Manner.HAND)
    settle(one, other)
    for each in (one, other):
        each.lose()
    one.table.lose()
    one.join()
    one.change("a", "", Manner.HAND)
    settle(one)
    other.join()
    settle(one, other)
    assert one.stands == other.stands == {"a": ""}


def test_what_was_let_go_long_ago_is_let_go_on_return() -> None:
    """Where the table stands as before and has no note of it, what is held here is held no longer."""
    one, other = nodes("one", "other")
    one.change("a", FORCED, Manner.HAND)
    one.change("b", "open", Manner.EVENT)
    settle(one, other)
    other.lose()
    one.change("a", "", Manner.HAND)
    settle(one)
    one.clock.set(one.clock() + 2 * KEEP_S)
    other.join()
    settle(one, other)
    assert other.stands == {"a": "", "b": "open"}


def test_a_draft_that_waits_tells_the_time_that_is_left() -> None:
    """Times go on running while nobody can be told, and are never negative."""
    (one,) = nodes("one")
    one.change("a", "open", Manner.EVENT)
    one.clock.set(one.clock() + 3)
    draft = one.replica.next()
    assert draft is not None
    assert (draft.left_s, draft.keep_s) == (2.0, KEEP_S - 3)
    one.change("b", "open", Manner.EVENT)
    one.clock.set(one.clock() + 9)
    late = one.replica.next()
    assert late is not None
    assert late.left_s == 0.0


def test_what_is_told_ages() -> None:
    """A note that is asked for later has less time left."""
    one, other = nodes("one", "other")
    one.change("a", "open", Manner.EVENT)
    settle(one, other)
    other.clock.set(other.clock() + 2)
    told = other.replica.told("a")
    assert told is not None
    assert told.left_s == 3.0


def test_a_topic_has_one_draft_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second draft waits for the answer to the first; other topics do not. What is known is bounded."""
    monkeypatch.setattr(module, "MAX_KNOWN", 2)
    (one,) = nodes("one")
    written: list[bool] = []
    one.replica.on_write = lambda: written.append(True)
    one.change("a", "1", Manner.EVENT)
    assert one.send()
    one.change("a", "2", Manner.EVENT)
    assert not one.send()
    one.change("b", "1", Manner.EVENT)
    assert one.send()
    settle(one)
    one.change("c", "1", Manner.EVENT)
    settle(one)
    assert {note.topic: note.text for note in one.table.contents().notes} == {"a": "2", "b": "1", "c": "1"}
    assert [one.replica.told(topic) is not None for topic in "abc"] == [False, True, True]
    assert len(written) == 4


class Processes(RuleBasedStateMachine):
    """Three processes, one topic, and everything that may cross, be late or be lost."""

    def __init__(self) -> None:
        super().__init__()
        self.serial = 0
        self.nodes = nodes("x", "y", "z")
        self.table = self.nodes[0].table

    @rule(
        which=st.integers(0, 2),
        manner=st.sampled_from([Manner.HAND, Manner.EVENT, Manner.CLAIM]),
        empty=st.booleans(),
    )
    def change(self, which: int, manner: Manner, *, empty: bool) -> None:
        """Something happens, or somebody wants something."""
        self.serial += 1
        prefix = FORCED if manner is Manner.HAND else "auto"
        self.nodes[which].change(TOPIC, "" if empty else f"{prefix} {self.serial}", manner)

    @rule(which=st.integers(0, 2))
    def send(self, which: int) -> None:
        """A draft reaches the table."""
        self.nodes[which].send()

    @rule(which=st.integers(0, 2))
    def read_answer(self, which: int) -> None:
        """An answer arrives."""
        self.nodes[which].read_answer()

    @rule(which=st.integers(0, 2))
    def read_note(self, which: int) -> None:
        """A note arrives."""
        self.nodes[which].read_note()

    @precondition(lambda self: self.serial % 3 == 2)
    @rule(which=st.integers(0, 2))
    def lose(self, which: int) -> None:
        """A process loses its way to the table."""
        self.nodes[which].lose()

    @rule(which=st.integers(0, 2))
    def join(self, which: int) -> None:
        """A process finds it again."""
        if not self.nodes[which].online:
            self.nodes[which].join()

    @precondition(lambda self: self.serial % 5 == 4)
    @rule()
    def crash(self) -> None:
        """The server is killed, and everybody notices; it comes back empty."""
        self.serial += 1
        for one in self.nodes:
            one.lose()
        self.table.lose()

    def teardown(self) -> None:
        """Once all are connected and everything has arrived, all stand alike, as the table says."""
        for one in self.nodes:
            if not one.online:
                one.join()
        settle(*self.nodes, notes_first=self.serial % 2 == 0)
        texts = {note.text for note in self.table.contents().notes} or {""}
        assert {one.stands.get(TOPIC, "") for one in self.nodes} == texts

    @invariant()
    def a_hand_holds(self) -> None:
        """What the table holds by hand was wanted by a hand."""
        for note in self.table.contents().notes:
            assert note.held is note.text.startswith(FORCED)


TestAnyOrder = Processes.TestCase
"""Over any order of events."""
