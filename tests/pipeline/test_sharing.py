"""What one process learns of a model, a provider or a key, all go by; whatever crosses on the way, they agree."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from narthex.pipeline.sharing import LATE, REMEMBERED_S, Sharing
from narthex.providers.key_books import ProviderKeys
from narthex.providers.remote import RemoteProvider, RemoteSettings
from narthex.providers.transport.origin import Origin
from narthex.resilience.boards import BreakerBoard
from narthex.resilience.breakers import BreakerCause, BreakerPolicy, BreakerState
from narthex.resilience.cooling import KeyPolicy, KeyPool
from narthex.resilience.scopes import Scope
from narthex.stores.notes import Draft, Manner, MemoryTable, Note
from narthex.testing.clock import FakeClock
from narthex.types.keys import KeyId, KeyState

OPEN_S = 10.0
POLICY = BreakerPolicy(consecutive_failures=2, open_s=OPEN_S, jitter=0.0, window_s=1e6, minimum_calls=10**6)
SECRETS = ("sk-first-of-two-secrets", "sk-second-of-two-secrets")


class Process:
    """A board that is shared, and keys that are."""

    def __init__(self, name: str, table: MemoryTable, clock: FakeClock, *, policy: BreakerPolicy = POLICY) -> None:
        self.clock = clock
        self.table = table
        self.board = BreakerBoard(policy, clock=clock, chance=random.Random(1))
        self.sharing = Sharing(self.board, writer=name, pepper="test", chance=random.Random(name))
        self.replica = self.sharing.replica
        self.replica._clock = clock
        self._online = False
        table.readers.append(self._hear)

    def _hear(self, note: Note) -> None:
        if self._online:
            self.replica.heard(note)

    def join(self) -> None:
        """Find the table."""
        self._online = True
        self.replica.joined(self.table.contents())

    def leave(self) -> None:
        """Lose the table."""
        self._online = False
        self.replica.left()

    def send(self) -> bool:
        """Tell the table one thing, if there is one to tell."""
        draft = self.replica.next() if self._online else None
        if draft is None:
            return False
        self.replica.answered(draft.topic, self.table.put(draft, self.replica.writer))
        return True

    def fail(self, model: str, times: int = 1, scope: Scope = Scope.MODEL) -> None:
        """Let calls fail."""
        for _ in range(times):
            gate = self.board.gate(model)
            turn = gate.allow()
            if turn:
                gate.failed(turn, scope)

    def succeed(self, model: str, times: int = 1) -> int:
        """Let calls go well, and return how many went out."""
        gate, turns = self.board.gate(model), []
        for _ in range(times):
            turns += [turn] if (turn := gate.allow()) else []
        for turn in turns:
            gate.succeeded(1.0, turn)
        return len(turns)

    def state(self, name: str) -> BreakerState:
        """Return how a breaker stands."""
        return self.board.breaker(name).state


def processes(count: int = 2) -> list[Process]:
    """Return processes at one table."""
    clock = FakeClock()
    table = MemoryTable(clock)
    made = [Process(f"p{number}", table, clock) for number in range(count)]
    for one in made:
        one.join()
    return made


def pump(*every: Process) -> None:
    """Let everything be told."""
    moved = True
    while moved:
        moved = any([one.send() for one in every])  # noqa: C419 - each has its turn


def wait(one: Process, seconds: float) -> None:
    """Let time pass, for all."""
    one.clock.set(one.clock() + seconds)


def test_opened_here_is_left_alone_there() -> None:
    """A process that never asked a dead model leaves it alone, with the same cause and for as long."""
    one, other = processes()
    one.fail("p/a", 2)
    pump(one, other)
    assert not other.board.available("p/a")
    mine, theirs = one.board.breaker("p/a").report(), other.board.breaker("p/a").report()
    assert (theirs.state, theirs.cause, theirs.openings) == (BreakerState.OPEN, BreakerCause.DEAD, 1)
    assert mine.next_probe_in_s == OPEN_S
    assert theirs.next_probe_in_s is not None
    assert OPEN_S <= theirs.next_probe_in_s <= OPEN_S * (1 + LATE)
    assert (mine.opened, theirs.opened) == (1, 0)


def test_a_provider_that_failed_as_a_whole_is_left_alone_by_all() -> None:
    """The breaker of a provider is shared like that of a model."""
    one, other = processes()
    one.fail("p/a", 2, Scope.PROVIDER)
    pump(one, other)
    assert other.state("p") is BreakerState.OPEN
    assert not other.board.available("p/never-asked")


def test_a_newcomer_knows_what_is_left_alone() -> None:
    """A process that starts after the one who learned it is gone begins with what is known, and the time left."""
    (one,) = processes(1)
    one.fail("p/a", 2)
    one.board.force("q", BreakerState.FORCED_OPEN)
    pump(one)
    wait(one, 4)
    newcomer = Process("new", one.table, one.clock)
    newcomer.join()
    assert newcomer.state("q") is BreakerState.FORCED_OPEN
    report = newcomer.board.breaker("p/a").report()
    assert report.next_probe_in_s is not None
    assert OPEN_S - 4 <= report.next_probe_in_s <= OPEN_S - 4 + OPEN_S * LATE


def test_one_probe_goes_out_in_all() -> None:
    """While one process probes, the others wait; then each sends its share, and who is through closes it for all."""
    one, other, third = every = processes(3)
    one.fail("p/a", 2)
    pump(*every)
    wait(one, OPEN_S * (1 + LATE))
    gate = one.board.gate("p/a")
    turn = gate.allow()
    pump(*every)
    assert (other.succeed("p/a", 5), third.succeed("p/a", 5)) == (0, 0)
    gate.succeeded(1.0, turn)
    pump(*every)
    assert {each.state("p/a") for each in every} == {BreakerState.HALF_OPEN}
    assert (other.succeed("p/a", 5), third.succeed("p/a", 5)) == (2, 2)
    assert other.succeed("p/a", 5) == 4
    assert other.state("p/a") is BreakerState.CLOSED
    pump(*every)
    assert {each.state("p/a") for each in every} == {BreakerState.CLOSED}


def test_a_probe_that_failed_keeps_all_away_for_longer() -> None:
    """The next opening is longer, whoever comes to it."""
    one, other = processes()
    one.fail("p/a", 2)
    pump(one, other)
    wait(one, OPEN_S * (1 + LATE))
    other.fail("p/a")
    pump(one, other)
    assert one.state("p/a") is BreakerState.OPEN
    report = one.board.breaker("p/a").report()
    assert report.openings == 2
    assert report.next_probe_in_s is not None
    assert report.next_probe_in_s >= 2 * OPEN_S


def test_a_prober_that_dies_is_replaced() -> None:
    """Where nothing is heard of a probe another process sends one, after as long a time as it had been open."""
    one, other = processes()
    one.fail("p/a", 2)
    pump(one, other)
    wait(one, OPEN_S * (1 + LATE))
    assert one.board.gate("p/a").allow()
    pump(one, other)
    wait(one, OPEN_S * (1 + LATE))
    assert other.succeed("p/a", 5) == 1


def test_two_who_probe_at_once_are_told_apart() -> None:
    """Of two whose first calls cross, one goes on; what became of the other's probe counts for nothing."""
    one, other = processes()
    one.fail("p/a", 2)
    pump(one, other)
    wait(one, OPEN_S * (1 + LATE))
    mine, theirs = one.board.gate("p/a").allow(), other.board.gate("p/a").allow()
    assert mine
    assert theirs
    pump(one, other)
    assert (one.state("p/a"), other.state("p/a")) == (BreakerState.HALF_OPEN, BreakerState.OPEN)
    other.board.gate("p/a").failed(theirs)
    one.board.gate("p/a").succeeded(1.0, mine)
    pump(one, other)
    assert {one.state("p/a"), other.state("p/a")} == {BreakerState.HALF_OPEN}


@pytest.mark.parametrize("first", ["the hand", "the failures"])
def test_by_hand_wins_everywhere(first: str) -> None:
    """Held closed by one, a model stays in service for all, whatever another has just met; set free, it is for all."""
    one, other = processes()
    other.fail("p/a", 2)
    one.board.force("p/a", BreakerState.FORCED_CLOSED)
    assert (one if first == "the hand" else other).send()
    pump(one, other)
    assert {one.state("p/a"), other.state("p/a")} == {BreakerState.FORCED_CLOSED}
    other.fail("p/a", 10)
    pump(one, other)
    other.board.force("p/a", None)
    pump(one, other)
    assert {one.state("p/a"), other.state("p/a")} == {BreakerState.CLOSED}
    assert one.board.breaker("p/a").report().openings == 0


def test_who_was_away_hears_on_return() -> None:
    """A model closed again in the meantime is closed for the one that comes back, and so is what it forced."""
    one, other = processes()
    one.fail("p/a", 2)
    pump(one, other)
    other.leave()
    one.board.force("p/a", None)
    pump(one)
    other.board.force("p/b", BreakerState.FORCED_OPEN)
    other.join()
    pump(one, other)
    assert other.state("p/a") is BreakerState.CLOSED
    assert one.state("p/b") is BreakerState.FORCED_OPEN


async def test_what_was_set_free_long_ago_is_free_on_return() -> None:
    """Nobody remembers any more that it was held, so it is not."""
    one, other = processes()
    near, far = provider(one.clock, *SECRETS), provider(one.clock, *SECRETS)
    one.sharing.follow([near[0]])
    other.sharing.follow([far[0]])
    one.board.force("p/a", BreakerState.FORCED_OPEN)
    near[1].withdraw(KEY_1)
    pump(one, other)
    other.leave()
    one.board.force("p/a", None)
    near[1].restore(KEY_1)
    pump(one)
    wait(one, 2 * REMEMBERED_S)
    assert one.table.contents().notes == ()
    other.join()
    assert other.state("p/a") is BreakerState.CLOSED
    assert far[1].report(KEY_1).state is KeyState.USABLE


def test_a_name_that_cannot_be_told_is_not() -> None:
    """What a line break would tear apart stays in its process."""
    one, other = processes()
    one.board.force("p/a\nb", BreakerState.FORCED_OPEN)
    one.join()
    pump(one, other)
    assert not other.board.snapshot()


@pytest.mark.parametrize("text", ["no json", '{"state":"melted"}', "[]"])
def test_what_is_not_understood_is_passed_over(text: str) -> None:
    """A note of another release changes nothing, of whatever it speaks."""
    one, _ = processes()
    for topic in ("breaker:p/a", "key:0", "weather:today"):
        one.table.put(Draft(topic=topic, text=text, manner=Manner.EVENT), "stranger")
    assert {report.state for report in one.board.snapshot()} <= {BreakerState.CLOSED}


def test_what_is_told_and_heard_is_counted() -> None:
    """The metrics say how much is shared."""
    one, other = processes()
    one.fail("p/a", 2)
    pump(one, other)
    assert 'narthex_shared_notes_total{way="told"} 1' in list(one.sharing.lines())
    assert 'narthex_shared_notes_total{way="heard"} 1' in list(other.sharing.lines())


# -- keys --------------------------------------------------------------------------------------------------------------


def provider(clock: FakeClock, *secrets: str, port: int = 1) -> tuple[RemoteProvider, KeyPool]:
    """Return a provider with keys, and its pool."""
    by_id = {KeyId(f"key-{number}"): secret for number, secret in enumerate(secrets, start=1)}
    pool = KeyPool(by_id, KeyPolicy(sets_aside=len(secrets) > 1), clock=clock)
    settings = RemoteSettings(name="far", kind="openai", origin=Origin.parse(f"http://127.0.0.1:{port}/v1"))
    return RemoteProvider(settings, ProviderKeys(secrets=by_id, turns=pool, clock=clock)), pool


KEY_1, KEY_2 = KeyId("key-1"), KeyId("key-2")


async def test_keys_stand_alike_by_whatever_name() -> None:
    """A key that rests, is refused or withdrawn here is so there, wherever it stands in the other's configuration."""
    one, other = processes()
    near, far = provider(one.clock, *SECRETS), provider(one.clock, *reversed(SECRETS))
    one.sharing.follow([near[0]])
    other.sharing.follow([far[0]])
    near[1].cool(KEY_1, one.clock() + 50)
    pump(one, other)
    assert (far[1].report(KEY_2).state, far[1].report(KEY_2).usable_in_s) == (KeyState.COOLING, 50)
    far[1].retire(KEY_1, "quota_exhausted")
    pump(one, other)
    told = near[1].report(KEY_2)
    assert (told.state, told.reason, told.refusals) == (KeyState.RETIRED, "quota_exhausted", 1)
    wait(one, 100)
    assert near[1].report(KEY_2).state is KeyState.PROBING
    near[1].succeeded(KEY_2)
    pump(one, other)
    assert far[1].report(KEY_1).state is KeyState.USABLE
    near[1].withdraw(KEY_1)
    pump(one, other)
    assert (far[1].report(KEY_2).by_hand, far[1].report(KEY_2).usable_in_s) == (True, math.inf)
    far[1].restore(KEY_2)
    pump(one, other)
    assert near[1].report(KEY_1).state is KeyState.USABLE
    assert "secret" not in repr(one.table.contents())


async def test_an_event_does_not_undo_a_hand() -> None:
    """A key withdrawn by one while another is told to let it rest is withdrawn for both."""
    one, other = processes()
    near, far = provider(one.clock, *SECRETS), provider(one.clock, *SECRETS)
    one.sharing.follow([near[0]])
    other.sharing.follow([far[0]])
    near[1].withdraw(KEY_1)
    far[1].cool(KEY_1, one.clock() + 5)
    one.send()
    pump(one, other)
    assert near[1].report(KEY_1).by_hand
    assert far[1].report(KEY_1).by_hand


async def test_a_new_provider_learns_what_is_known_of_its_keys() -> None:
    """One that is configured later begins with how its keys stand; one that was taken out is told nothing more."""
    one, other = processes()
    near, far = provider(one.clock, *SECRETS), provider(one.clock, *SECRETS)
    one.sharing.follow([near[0]])
    near[1].withdraw(KEY_1)
    pump(one, other)
    other.sharing.follow([far[0]])
    assert far[1].report(KEY_1).by_hand
    other.sharing.follow([])
    near[1].restore(KEY_1)
    far[1].withdraw(KEY_2)
    pump(one, other)
    assert far[1].report(KEY_1).by_hand
    assert near[1].report(KEY_2).state is KeyState.USABLE


async def test_the_same_key_elsewhere_is_another() -> None:
    """At another address the same key may be good; at the same one it is one key, under whatever name."""
    (one,) = processes(1)
    near, elsewhere, twin = (provider(one.clock, *SECRETS, port=port) for port in (1, 2, 1))
    one.sharing.follow([near[0], elsewhere[0], twin[0]])
    near[1].withdraw(KEY_1)
    assert not elsewhere[1].report(KEY_1).by_hand
    assert twin[1].report(KEY_1).by_hand


async def test_keys_come_back_after_a_loss() -> None:
    """A server that lost everything is told again of withdrawn keys."""
    one, other = processes()
    near, far = provider(one.clock, *SECRETS), provider(one.clock, SECRETS[0])
    one.sharing.follow([near[0]])
    near[1].withdraw(KEY_1)
    pump(one)
    one.table.lose()
    one.join()
    pump(one)
    newcomer = Process("new", one.table, one.clock)
    newcomer.sharing.follow([far[0]])
    newcomer.join()
    assert far[1].barred
    assert other.replica.settled


# -- all of it, in any order -------------------------------------------------------------------------------------------

NAMES = ("p/a", "p")
COARSE = ("closed", "not closed", BreakerState.FORCED_OPEN, BreakerState.FORCED_CLOSED)


class Cluster(RuleBasedStateMachine):
    """Three processes whose calls fail or go well, whose hands force, and whose notes are told late."""

    def __init__(self) -> None:
        super().__init__()
        self.processes = processes(3)
        self.wanted: dict[str, BreakerState | None] = {}

    @rule(which=st.integers(0, 2), scope=st.sampled_from([Scope.MODEL, Scope.PROVIDER]))
    def fail(self, which: int, scope: Scope) -> None:
        """Calls fail, enough to open what is closed."""
        self.processes[which].fail("p/a", 2, scope)

    @rule(which=st.integers(0, 2), times=st.integers(1, 4))
    def succeed(self, which: int, times: int) -> None:
        """Calls go well, as far as they are let through."""
        self.processes[which].succeed("p/a", times)

    @rule(
        which=st.integers(0, 2),
        name=st.sampled_from(NAMES),
        state=st.sampled_from([None, BreakerState.FORCED_OPEN, BreakerState.FORCED_CLOSED]),
        alone=st.booleans(),
    )
    def force(self, which: int, name: str, state: BreakerState | None, *, alone: bool) -> None:
        """Somebody wants something; alone, while nobody else wants anything of it, it is known what holds then."""
        if alone:
            for one in self.processes:
                one.join()
            pump(*self.processes)
        self.processes[which].board.force(name, state)
        if alone:
            self.processes[which].send()
        self.wanted[name] = state if alone else None

    @rule(seconds=st.sampled_from([0.5, OPEN_S, 3 * OPEN_S]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        wait(self.processes[0], seconds)

    @rule(which=st.integers(0, 2))
    def tell(self, which: int) -> None:
        """One note is told."""
        self.processes[which].send()

    @rule(which=st.integers(0, 2))
    def leave(self, which: int) -> None:
        """A process is cut off."""
        self.processes[which].leave()

    @rule(which=st.integers(0, 2))
    def come_back(self, which: int) -> None:
        """A process comes back to the table."""
        self.processes[which].join()

    @rule()
    def crash(self) -> None:
        """The server loses everything, and all notice."""
        self.wanted.clear()
        for one in self.processes:
            one.leave()
        self.processes[0].table.lose()

    def teardown(self) -> None:
        """When all is told, all are asked or none, and all are held by the same hand or none."""
        for one in self.processes:
            one.leave()
            one.join()
        pump(*self.processes)
        for name in NAMES:
            states = {self._coarse(one.state(name)) for one in self.processes}
            assert states in ([{self.wanted[name]}] if self.wanted.get(name) else [{one} for one in COARSE]), (
                name,
                [one.board.breaker(name).report() for one in self.processes],
            )

    @staticmethod
    def _coarse(state: BreakerState) -> str:
        """Who probes has it half open while the others wait: both have not closed it yet."""
        return "not closed" if state in {BreakerState.OPEN, BreakerState.HALF_OPEN} else state


TestAnyOrder = Cluster.TestCase
"""Over any order of events."""
