"""API keys: presented by clients, held as keyed hashes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, NamedTuple, NewType

from narthex.audit.records import Actor
from narthex.errors import AuthenticationFailed, NarthexError, Overloaded, SignInRequired
from narthex.tenancy.bounds import Bounds
from narthex.tenancy.denials import DENIED, REFUSED, Denial, Denials
from narthex.tenancy.lookout import Lookout
from narthex.tenancy.permissions import ALL, CALL_MODELS
from narthex.tenancy.sightings import Sightings
from narthex.tenancy.virtual_keys import PREFIX, begin_of, is_mistyped, is_virtual
from narthex.types.accounts import Account
from narthex.types.priorities import Priority

_LOCAL_ACCOUNT: Final = Account()

Peer = tuple[str, int] | None
"""Address and port that somebody comes from, where it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The most that each stream of a key may ask for."""

    tokens_per_s: float | None = None
    """Tokens a second, estimated; None for any number."""
    bytes_per_s: int | None = None
    """Bytes a second; None for any number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """On whose behalf a request is served."""

    name: str
    """Name of the key, or `local` for the local user where there are no keys."""
    tenant: str = ""
    """To whom the key belongs; empty if nobody said."""
    priority: Priority = Priority.NORMAL
    """How urgent its calls are, unless they say otherwise."""
    ceiling: Priority = Priority.NORMAL
    """The most urgent that they may say they are."""
    stream_ceiling: Ceiling | None = None
    """How fast its streams may be; None for as fast as they come."""
    account: Account = _LOCAL_ACCOUNT
    """To whom its calls are charged."""
    permissions: frozenset[str] = CALL_MODELS
    """What it may do, as `resource:action`, in the workspace of its account."""
    bounds: Bounds | None = None
    """What bounds its calls; None for nothing."""
    is_operator: bool = False
    """Whether it runs the server: it may do everything in every organisation."""
    workspace: str = ""
    """ID of the workspace that what is kept for it belongs to; empty where it is in none by name."""
    virtual_key: str = ""
    """ID of the virtual key that it presents; empty for everybody else."""

    @property
    def actor(self) -> Actor:
        """Who it is in the audit log."""
        account = self.account
        if account.key_id == "local":
            return Actor("local", "local")
        # A user who is signed in has no key.
        if account.user_id and not account.key_id.startswith("key_"):
            return Actor("user", account.user_id)
        return Actor("key", account.key_id)

    def denial(self, why: Mapping[str, str], peer: Peer, *, target: str = "", request_id: str = "") -> Denial:
        """Return what is written down when it is refused something."""
        return Denial(
            action=DENIED,
            actor=self.actor,
            target=target,
            organisation_id=self.account.organisation_id,
            workspace_id=self.account.workspace_id,
            details=why,
            address="" if peer is None else peer[0],
            request_id=request_id,
        )

    @property
    def owner(self) -> str:
        """To whom belongs what is kept for this caller: all keys of a workspace, or of a tenant, share it."""
        if self.workspace:
            return f"workspace:{self.workspace}"
        return f"tenant:{self.tenant}" if self.tenant else f"key:{self.name}"


LOCAL = Caller(name="local", ceiling=Priority.HIGH, permissions=ALL, is_operator=True)
"""The local user, who needs no key while none is configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where keys of the configuration belong: a workspace."""

    organisation_id: str
    workspace_id: str
    bounds: Bounds | None
    """What the workspace bounds calls by."""


KeyMark = NewType("KeyMark", bytes)
"""Which key somebody presented, without the key: its keyed hash, the same for the life of the process."""

NO_KEY: Final = KeyMark(b"")
"""The mark of the local user, who presents none."""

SESSION_MARK: Final = b"session:"
"""What the mark of somebody begins with who is signed in, and has no key."""


class Gone(NamedTuple):
    """Why a virtual key opens nothing any more."""

    why: str
    """As in `this API key is …`."""
    account: Account | None = None
    """Whose it is, if that is known."""


_VIRTUAL: Final = PREFIX.encode()
_NOBODY: Final = Account(organisation_id="", workspace_id="", key_id="")
_DIGEST_BYTES: Final = 32


def _peppered(pepper: bytes) -> blake2b:
    """Return a hash with its key, to be copied: a copy costs two thirds of a new one."""
    return blake2b(key=pepper, digest_size=_DIGEST_BYTES)


_OWN: Final = _peppered(secrets.token_bytes(32))
"""Made anew in each process, and kept over reloads: a mark then stays that of its key."""


class Keyring:
    """The keys that open this server: those of the configuration, and the virtual keys of the workspaces.

    Only keyed hashes (BLAKE2b, https://www.rfc-editor.org/rfc/rfc7693) are held: a dump of the memory shows no key,
    and the time of a look-up tells nothing about one.

    Attributes:
        sightings: Which virtual keys were used.
        denials: Who was refused what.
        lookout: Looks whether a key that is not known was made just now; None where nobody else makes any.
    """

    lookout: Lookout | None = None

    def __init__(
        self,
        keys: Iterable[tuple[str, str]],
        tenants: Mapping[str, str] = MappingProxyType({}),
        *,
        priorities: Mapping[str, Priority] = MappingProxyType({}),
        ceilings: Mapping[str, Ceiling] = MappingProxyType({}),
        pepper: bytes | None = None,
        knows_all: bool = True,
    ) -> None:
        """Take the keys of the configuration in.

        Args:
            keys: Pairs of name and key; none at all leaves the server open to the local user.
            tenants: To whom keys belong, by name.
            priorities: How urgent calls are, and may say they are, by the name of their key.
            ceilings: How fast their streams may be, by the name of their key.
            pepper: What virtual keys are hashed with, the same for all processes that share them, if that is known.
            knows_all: Whether there are no virtual keys that are not known yet.
        """
        self._shared = _peppered(pepper) if pepper else _OWN
        """Hashes virtual keys; those of the configuration are hashed with what only this process has."""
        hashed = [(name, is_virtual(key.encode()), _hash(key.encode(), _OWN)) for name, key in keys]
        self._marks = {name: mark for name, _, mark in hashed}
        self._look_virtual = frozenset(mark for _, virtual, mark in hashed if virtual)
        self._tenants, self._priorities, self._ceilings = tenants, priorities, ceilings
        self.knows_all = knows_all
        self.sightings = Sightings()
        self.denials = Denials()
        self._virtual: dict[KeyMark, Caller] = {}
        self._gone: dict[KeyMark, Gone] = {}
        self._places: Mapping[str, Place] = {}
        self._demanded: bool | None = False
        self._closed = bool(self._marks)
        self.when_gone: Callable[[], None] = lambda: None
        """Called when virtual keys or sessions open nothing any more."""
        self.guest: Callable[[KeyMark], Caller | None] = lambda _: None
        """Returns who is signed in, by the mark of their session."""
        self._settle()

    def adopt(self, other: Keyring) -> None:
        """Hold the other ring's keys of the configuration instead, at once; virtual keys stay."""
        self._marks, self._look_virtual = other._marks, other._look_virtual
        self._tenants, self._priorities, self._ceilings = other._tenants, other._priorities, other._ceilings
        self._settle()

    def place(self, places: Mapping[str, Place]) -> None:
        """Say where keys of the configuration belong: workspaces by the name of their tenant, `""` for all others."""
        self._places = places
        self._settle()

    def season(self, pepper: bytes) -> None:
        """Hash virtual keys with this from now on; none may be known yet."""
        assert not self._virtual, "their marks would mean nothing any more"
        self._shared = _peppered(pepper)

    def learn(self, virtual: Iterable[tuple[KeyMark, Caller]]) -> None:
        """Take virtual keys in, or what has changed about them."""
        for mark, caller in virtual:
            self._virtual[mark] = self._callers[mark] = caller
            self._gone.pop(mark, None)

    def forget(self, gone: Iterable[tuple[KeyMark, Gone]]) -> None:
        """Let virtual keys open nothing any more, and keep why: `revoked`."""
        known = False
        for mark, why in gone:
            known = self._callers.pop(mark, None) is not None or known
            self._virtual.pop(mark, None)
            self._gone[mark] = why
        if known:
            self.when_gone()

    def demand(self, demanded: bool | None) -> None:
        """Say whether this server knows people who sign in, so that nobody is let in without a name; None: maybe."""
        self._demanded = demanded
        if self._settle_door():
            self.when_gone()

    @property
    def required(self) -> bool:
        """Whether a key, or a session, is needed."""
        return self._closed

    def caller(self, name: str) -> Caller | None:
        """Return who calls with the key of this name; None if there is none."""
        known = self._callers.values() if self._closed else (self._local, *self._callers.values())
        return next((caller for caller in known if caller.name == name), None)

    def identify(self, presented: bytes | None) -> Caller:
        """Return the caller who presents this `Authorization` or `x-api-key` value.

        Raises:
            AuthenticationFailed: A key is needed, and this is none of ours.
            Overloaded: It may be one, once all are known.
        """
        if presented:
            key = bare(presented)
            if self._closed or is_virtual(key):
                caller = self._callers.get(self.mark_of(key))
                if caller is not None:
                    return caller
                raise self._refusal(key)
        if self._closed:
            raise self._unnamed()
        return self._local

    def admit(self, presented: bytes | None, route: str, peer: Peer, *, request_id: str = "") -> Caller:
        """Let in who presents this value, on a kind of route; what comes of it is written down later.

        Raises:
            NarthexError: It opens nothing: see `identify` and `Bounds.admit`.
        """
        try:
            caller = self.identify(presented)
        except AuthenticationFailed:
            if presented:
                self.denials.note(self._denial(bare(presented), peer, request_id))
            raise
        return self.let_in(caller, route, peer, request_id=request_id)

    def let_in(self, caller: Caller, route: str, peer: Peer, *, request_id: str = "") -> Caller:
        """Let in a caller who is known, as `admit` does."""
        bounds = caller.bounds
        if bounds is not None and (against := bounds.against(route, peer)) is not None:
            self.denials.note(caller.denial({"why": against}, peer, target=route, request_id=request_id))
            raise bounds.refusal(against, route, peer)
        if caller.virtual_key:
            self.sightings.saw(caller.virtual_key, peer)
        return caller

    async def look(self, presented: bytes | None) -> None:
        """Look whether a key that is none of ours, but might be, was made just now."""
        key = bare(presented) if presented else b""
        if self.lookout is None or not self.knows_all or not is_virtual(key) or is_mistyped(key):
            return
        mark = self.mark_of(key)
        if mark not in self._callers and mark not in self._gone:
            await self.lookout.look(mark)

    def mark(self, presented: bytes | None) -> KeyMark:
        """Return the mark of the key that is presented; raises as `identify` does."""
        caller = self.identify(presented)
        return NO_KEY if caller is self._local or not presented else self.mark_of(bare(presented))

    def mark_of(self, key: bytes) -> KeyMark:
        """Return the mark of a key."""
        if not key.startswith(_VIRTUAL):
            return _hash(key, _OWN)
        if self._look_virtual and (own := _hash(key, _OWN)) in self._look_virtual:
            # Nothing hinders the configuration to have a key of that form.
            return own
        return _hash(key, self._shared)

    def holder(self, mark: KeyMark) -> Caller | None:
        """Return who calls with the key, or the session, of this mark; None once that opens nothing any more."""
        if mark.startswith(SESSION_MARK):
            return self.guest(mark)
        if mark == NO_KEY:
            return None if self._closed else self._local
        caller = self._callers.get(mark)
        return None if caller is not None and caller.bounds is not None and caller.bounds.is_over else caller

    def _settle(self) -> None:
        """Make the callers of the configuration, where they belong now."""
        self._settle_door()
        self._local = self._settled(LOCAL, "")
        configured = {mark: self._configured(name) for name, mark in self._marks.items()}
        self._callers = {**self._virtual, **configured}

    def _settle_door(self) -> bool:
        """Keep whether the door is closed to who has no name; return whether it was closed just now."""
        before = self._closed
        self._closed = bool(self._marks) or self._demanded is not False
        return self._closed and not before

    def _configured(self, name: str) -> Caller:
        priority = self._priorities.get(name, Priority.NORMAL)
        tenant = self._tenants.get(name, "")
        caller = Caller(
            name=name,
            tenant=tenant,
            priority=priority,
            ceiling=priority,
            stream_ceiling=self._ceilings.get(name),
            account=Account(key_id=f"config:{name}"),
            permissions=ALL,
            is_operator=True,
        )
        return self._settled(caller, tenant)

    def _settled(self, caller: Caller, tenant: str) -> Caller:
        place = self._places.get(tenant) if tenant else None
        named = place is not None
        place = place or self._places.get("")
        if place is None:
            return caller
        account = Account(
            organisation_id=place.organisation_id, workspace_id=place.workspace_id, key_id=caller.account.key_id
        )
        workspace = place.workspace_id if named else ""
        return replace(caller, account=account, bounds=place.bounds, workspace=workspace)

    def _unnamed(self) -> NarthexError:
        if self._demanded is None and not self._marks:
            return Overloaded("this server is starting; try again in a moment", retry_after_s=1)
        return SignInRequired() if self._demanded else AuthenticationFailed()

    def _refusal(self, key: bytes) -> NarthexError:
        if is_virtual(key):
            if is_mistyped(key):
                return AuthenticationFailed("this API key looks mistyped: its checksum does not fit; copy it again")
            if not self.knows_all:
                return Overloaded("this server is starting; try again in a moment", retry_after_s=1)
            gone = self._gone.get(self.mark_of(key))
            if gone is not None:
                return AuthenticationFailed(f"this API key is {gone.why}; ask who runs this server for another one")
        return AuthenticationFailed("this API key is not valid here; check it, or ask who runs this server for one")

    def _denial(self, key: bytes, peer: Peer, request_id: str) -> Denial:
        """Return what is written down of a key that opens nothing."""
        gone = self._gone.get(self.mark_of(key)) or Gone("not known")
        account = gone.account or _NOBODY
        why = "mistyped" if is_virtual(key) and is_mistyped(key) else gone.why
        return Denial(
            action=REFUSED,
            actor=Actor("key", account.key_id),
            target=account.key_id or begin_of(key),
            organisation_id=account.organisation_id,
            workspace_id=account.workspace_id,
            details={"why": why},
            address="" if peer is None else peer[0],
            request_id=request_id,
        )


def _hash(key: bytes, peppered: blake2b) -> KeyMark:
    hashed = peppered.copy()
    hashed.update(key)
    return KeyMark(hashed.digest())


def bare(presented: bytes) -> bytes:
    """Return the key in the value of an `Authorization` or `x-api-key` header."""
    return presented[7:] if presented[:7].lower() == b"bearer " else presented


def standing(ring: Keyring, caller: Caller) -> Caller | None:
    """Return who calls with the same key now; None once that opens nothing any more, and for who has none."""
    known = ring._callers.values() if ring.required else (ring._local, *ring._callers.values())
    who = (caller.name, caller.account.key_id)
    found = next((one for one in known if (one.name, one.account.key_id) == who), None)
    return None if found is not None and found.bounds is not None and found.bounds.is_over else found
