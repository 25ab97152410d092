"""Organisations, workspaces, people, roles and keys, in memory: what a request asks is answered without a database.

It is loaded once, and then told what has changed. What it holds follows from the rows alone, in whatever order they
came: so a directory that followed is the same as one that was loaded anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, cast

from narthex.tenancy.bounds import Bounds, Keeping
from narthex.tenancy.keys import Caller, Gone, KeyMark, Keyring, Place
from narthex.tenancy.permissions import BUILT_IN, CALL_MODELS
from narthex.tenancy.records import Member, Organisation, Role, User, VirtualKey, Workspace, WorkspaceSettings
from narthex.tenancy.scopes import NO_SCOPES, Scopes
from narthex.types.accounts import DEFAULT_ORGANISATION, DEFAULT_WORKSPACE, Account
from narthex.types.priorities import PRIORITIES

Kind = Literal["organisation", "workspace", "user", "role", "member", "key"]
Held = Organisation | Workspace | User | Role | Member | VirtualKey

NOTHING: Final[frozenset[str]] = frozenset()
_ORDINARY: Final = WorkspaceSettings()
"""Of a workspace that settles nothing."""


def subject_of(record: Held) -> str:
    """Return by what a record is named in the list of changes."""
    return f"{record.workspace_id}/{record.user_id}" if isinstance(record, Member) else record.id


class Directory:
    """Who is who. Read on the event loop; told there, too, what has changed."""

    def __init__(self, keyring: Keyring) -> None:
        """Hold nothing yet.

        Args:
            keyring: Learns of the virtual keys.
        """
        self.keyring = keyring
        self.organisations: dict[str, Organisation] = {}
        self.workspaces: dict[str, Workspace] = {}
        self.users: dict[str, User] = {}
        self.roles: dict[str, Role] = {}
        self.members: dict[str, Member] = {}
        self.keys: dict[str, VirtualKey] = {}
        self._tables = cast(
            "dict[Kind, dict[str, Held]]",
            {
                "organisation": self.organisations,
                "workspace": self.workspaces,
                "user": self.users,
                "role": self.roles,
                "member": self.members,
                "key": self.keys,
            },
        )
        self._marks: dict[str, KeyMark] = {}
        self._role_names: dict[tuple[str, str], str] = {}
        self._role_sets: dict[str, frozenset[str]] = {}
        self._keys_in: dict[str, set[str]] = {}
        self._keys_of: dict[str, set[str]] = {}

    def load(self, everything: Mapping[Kind, Sequence[Held]]) -> None:
        """Hold what there is, and nothing else."""
        before = set(self.keys)
        for kind, table in self._tables.items():
            fresh = {subject_of(one): one for one in everything[kind]}
            for gone in table.keys() - fresh.keys():
                self._drop(kind, gone)
            for subject, record in fresh.items():
                self._put(kind, subject, record)
        self._place()
        self._enrol(before | self.keys.keys())
        self.keyring.knows_all = True

    def apply(self, kind: Kind, subjects: Iterable[str], found: Sequence[Held]) -> None:
        """Take over what has changed: who is named and was not found is no more."""
        records, touched = {subject_of(one): one for one in found}, list(subjects)
        concerned = self._concerned(kind, touched)
        for subject in touched:
            if subject in records:
                self._put(kind, subject, records[subject])
            else:
                self._drop(kind, subject)
        if kind in {"workspace", "organisation"}:
            self._place()
        self._enrol(concerned | self._concerned(kind, touched))

    # -- questions -------------------------------------------------------------------------------------------------

    def role(self, organisation_id: str, name: str) -> frozenset[str] | None:
        """Return what a role may do, built in or made by an organisation; None if there is none of this name."""
        return BUILT_IN.get(name) or self._role_sets.get(self._role_names.get((organisation_id, name), ""))

    def permissions(self, user_id: str, workspace_id: str = "") -> frozenset[str]:
        """Return what a user may do in a workspace: by the role there and by the one in the organisation.

        Without a workspace, what the role in the organisation allows. A user of another organisation, one who is
        disabled, and one who is not there, may do nothing.
        """
        user = self.users.get(user_id)
        if user is None or user.disabled_at is not None:
            return NOTHING
        everywhere = self._everywhere(user)
        if not workspace_id:
            return everywhere
        workspace = self.workspaces.get(workspace_id)
        if workspace is None or workspace.organisation_id != user.organisation_id:
            return NOTHING
        member = self.members.get(f"{workspace_id}/{user_id}")
        there = NOTHING if member is None else self.role(user.organisation_id, member.role) or NOTHING
        return everywhere | there

    def workspaces_of(self, user_id: str) -> list[Workspace]:
        """Return the workspaces that a user sees."""
        return [one for one in self.workspaces.values() if "workspaces:read" in self.permissions(user_id, one.id)]

    def caller_of(self, user_id: str) -> Caller | None:
        """Return a user as a caller, in their current workspace, else in the first they see; None if they may not act.

        Nobody calls from a workspace that was put away.
        """
        user = self.users.get(user_id)
        if user is None or user.disabled_at is not None:
            return None
        workspace = self.workspaces.get(user.current_workspace_id or "")
        if workspace is None or workspace.archived_at is not None or not self.permissions(user_id, workspace.id):
            workspace = next((one for one in self.workspaces_of(user_id) if one.archived_at is None), None)
        where = "" if workspace is None else workspace.id
        return Caller(
            name=user.id,
            tenant="" if workspace is None else workspace.slug,
            account=Account(organisation_id=user.organisation_id, workspace_id=where, user_id=user.id, key_id=user.id),
            permissions=self.permissions(user_id, where),
            bounds=_bounds(workspace, NO_SCOPES, None),
            workspace=where,
        )

    # -- rows ------------------------------------------------------------------------------------------------------

    def _put(self, kind: Kind, subject: str, record: Held) -> None:
        before = self._tables[kind].get(subject)
        if before is not None:
            self._unlist(before)
        self._tables[kind][subject] = record
        match record:
            case Role():
                self._role_names[record.organisation_id, record.name] = record.id
                self._role_sets[record.id] = frozenset(record.permissions)
            case VirtualKey():
                self._keys_in.setdefault(record.workspace_id, set()).add(record.id)
                self._keys_of.setdefault(record.user_id or "", set()).add(record.id)
            case _:
                pass

    def _drop(self, kind: Kind, subject: str) -> None:
        record = self._tables[kind].pop(subject, None)
        if record is not None:
            self._unlist(record)

    def _unlist(self, record: Held) -> None:
        match record:
            case Role():
                name = (record.organisation_id, record.name)
                # Another role may have taken the name over.
                if self._role_names.get(name) == record.id:
                    del self._role_names[name]
                self._role_sets.pop(record.id, None)
            case VirtualKey():
                self._keys_in.get(record.workspace_id, set()).discard(record.id)
                self._keys_of.get(record.user_id or "", set()).discard(record.id)
            case _:
                pass

    def _everywhere(self, user: User) -> frozenset[str]:
        """Return what the role of a user in the organisation allows in all of it; that of a plain member nothing."""
        if user.role == "member":
            return NOTHING
        return self.role(user.organisation_id, user.role) or NOTHING

    # -- keys ------------------------------------------------------------------------------------------------------

    def _concerned(self, kind: Kind, subjects: Iterable[str]) -> set[str]:
        """Return the keys that a change concerns."""
        match kind:
            case "key":
                return set(subjects)
            case "workspace":
                return set[str]().union(*(self._keys_in.get(one, ()) for one in subjects))
            case "user":
                return set[str]().union(*(self._keys_of.get(one, ()) for one in subjects))
            case "member":
                return set[str]().union(*(self._keys_of.get(one.partition("/")[2], ()) for one in subjects))
            case _:
                # Roles change seldom, and who has one is not kept by role.
                return {one for who, keys in self._keys_of.items() if who for one in keys}

    def _enrol(self, keys: Iterable[str]) -> None:
        good: list[tuple[KeyMark, Caller]] = []
        gone: list[tuple[KeyMark, Gone]] = []
        for key_id in keys:
            key = self.keys.get(key_id)
            if key is None:
                mark = self._marks.pop(key_id, None)
                if mark is not None:
                    gone.append((mark, Gone("no more")))
                continue
            self._marks[key_id] = key.digest
            why = self._why_not(key)
            if why:
                gone.append((key.digest, Gone(why, _account(key))))
            else:
                good.append((key.digest, self._caller(key)))
        self.keyring.learn(good)
        self.keyring.forget(gone)

    def _why_not(self, key: VirtualKey) -> str:
        """Return why a key opens nothing; empty if it does."""
        workspace = self.workspaces.get(key.workspace_id)
        if key.revoked_at is not None:
            return "revoked"
        if workspace is None or workspace.archived_at is not None:
            return "of a workspace that is archived"
        if key.user_id is not None and not self.permissions(key.user_id, key.workspace_id):
            return "of somebody who is no more in this workspace"
        return ""

    def _caller(self, key: VirtualKey) -> Caller:
        workspace = self.workspaces[key.workspace_id]
        priority = PRIORITIES[key.priority]
        permissions = CALL_MODELS | frozenset(key.scopes.permissions)
        if key.user_id is not None:
            permissions &= self.permissions(key.user_id, key.workspace_id)
        ends_at = None if key.expires_at is None else key.expires_at / 1_000
        return Caller(
            name=key.id,
            tenant=workspace.slug,
            priority=priority,
            ceiling=priority,
            account=_account(key),
            permissions=permissions,
            bounds=_bounds(workspace, key.scopes, ends_at, may_call=permissions >= CALL_MODELS),
            workspace=workspace.id,
            virtual_key=key.id,
        )

    def _place(self) -> None:
        """Say where the keys of the configuration belong."""
        ours = (one for one in self.workspaces.values() if one.organisation_id == DEFAULT_ORGANISATION)
        there = {one.slug: one for one in ours if one.archived_at is None}
        if DEFAULT_WORKSPACE in self.workspaces:
            there[""] = self.workspaces[DEFAULT_WORKSPACE]
        self.keyring.place(
            {
                slug: Place(
                    organisation_id=one.organisation_id, workspace_id=one.id, bounds=_bounds(one, NO_SCOPES, None)
                )
                for slug, one in there.items()
            }
        )


def _account(key: VirtualKey) -> Account:
    """Return to whom the calls of a key are charged."""
    return Account(
        organisation_id=key.organisation_id,
        workspace_id=key.workspace_id,
        user_id=key.user_id or "",
        key_id=key.id,
        tags=tuple(sorted(key.tags.items())),
    )


def _bounds(
    workspace: Workspace | None, scopes: Scopes, ends_at: float | None, *, may_call: bool = True
) -> Bounds | None:
    """Return what bounds a caller; None if nothing does."""
    settings = _ORDINARY if workspace is None else workspace.settings
    scoped = scopes.models or scopes.routes or scopes.addresses
    if ends_at is None and may_call and not scoped and settings == _ORDINARY:
        return None
    return Bounds(
        scopes,
        ends_at=ends_at,
        allowed_models=settings.allowed_models,
        default_model=settings.default_model,
        default_provider=settings.default_provider,
        keeping=Keeping(settings.caching, settings.capture, settings.retention_days),
        may_call=may_call,
    )
