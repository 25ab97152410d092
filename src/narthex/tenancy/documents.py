"""The form of exported workspaces: JSON with a format version, in which nothing is named by an ID."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Annotated, Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from narthex.errors import Conflict, InvalidRequest
from narthex.tenancy.records import UserKind, WorkspaceSettings
from narthex.tenancy.scopes import Scopes
from narthex.types.limits import MAX_COUNT, Measure, Period, SubjectKind, WindowKind
from narthex.types.priorities import PriorityWord

FORMAT: Final = "narthex.workspaces"
VERSION: Final = 1
MIN_PASSPHRASE: Final = 12
_SCRYPT: Final = {"n": 2**15, "r": 8, "p": 1, "maxmem": 2**26, "dklen": 32}
_NONCE_BYTES: Final = 12

Slug = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a document."""


RoleName = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Tag = Annotated[str, msgspec.Meta(max_length=64)]


class RolePart(_Part, frozen=True, kw_only=True):
    """A role of the organisation that somebody in the document has."""

    name: Slug
    permissions: Annotated[tuple[str, ...], msgspec.Meta(max_length=200)]


class MemberPart(_Part, frozen=True, kw_only=True):
    """Somebody in the workspace: a person by e-mail address, a service account by its name."""

    email: Annotated[str, msgspec.Meta(max_length=320)] | None = None
    name: Name
    kind: UserKind = "person"
    role: RoleName
    source: Literal["hand", "groups"] = "hand"


class KeyPart(_Part, frozen=True, kw_only=True):
    """What is known of a key; `user` is the place of its user among the members."""

    name: Name
    shown: RoleName
    user: Annotated[int, msgspec.Meta(ge=0, le=100_000)] | None = None
    scopes: Scopes
    tags: Annotated[dict[Tag, Tag], msgspec.Meta(max_length=5)]
    priority: PriorityWord
    created_at: Milliseconds
    expires_at: Milliseconds | None = None
    revoked_at: Milliseconds | None = None


class LimitPart(_Part, frozen=True, kw_only=True):
    """A limit; a subject that is a member or a key is told by its place in the document."""

    subject_kind: SubjectKind
    subject: Annotated[str, msgspec.Meta(max_length=200)]
    measure: Measure
    amount: Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
    period: Period
    window: WindowKind
    burst: Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)] | None = None
    hard: bool
    alert_percents: Annotated[tuple[Annotated[int, msgspec.Meta(ge=1, le=1_000)], ...], msgspec.Meta(max_length=20)]
    enabled: bool


class WorkspacePart(_Part, frozen=True, kw_only=True):
    """A workspace; `template` is another one of the document, whose settings it begins with."""

    slug: Slug
    name: Name
    description: Annotated[str, msgspec.Meta(max_length=2_000)] = ""
    is_template: bool = False
    template: Slug | None = None
    settings: WorkspaceSettings | None = None
    members: tuple[MemberPart, ...] = ()
    keys: tuple[KeyPart, ...] = ()
    limits: tuple[LimitPart, ...] = ()


class Document(_Part, frozen=True, kw_only=True):
    """What is exported and imported."""

    format: Literal["narthex.workspaces"] = FORMAT
    version: Annotated[int, msgspec.Meta(ge=1, le=VERSION)] = VERSION
    roles: Annotated[tuple[RolePart, ...], msgspec.Meta(max_length=1_000)] = ()
    workspaces: Annotated[tuple[WorkspacePart, ...], msgspec.Meta(max_length=1_000)]
    sealed: str | None = None
    """What the keys are held by, sealed under a passphrase."""


def read_document(value: object) -> Document:
    """Return a document that can be imported.

    Raises:
        Conflict: Its workspaces are made of each other, or of what is not there.
        InvalidRequest: It is none, or it is of a newer version.
    """
    version = value.get("version") if isinstance(value, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise InvalidRequest(
            f"this document has version {version}; this Narthex reads up to {VERSION}: update it first", param="version"
        )
    try:
        document = msgspec.convert(value, Document)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        named = path.strip(".`")
        told = f"{named}: {message}" if named else message
        raise InvalidRequest(f"this is no document of workspaces: {told}", param=named or None) from error
    in_order(document.workspaces)
    return document


def in_order(parts: tuple[WorkspacePart, ...]) -> list[WorkspacePart]:
    """Return workspaces with those that others are made of before them.

    Raises:
        Conflict: One is there twice, is made of one that is not there, or in the end of itself.
    """
    by_slug = {part.slug: part for part in parts}
    if len(by_slug) < len(parts):
        raise Conflict("two workspaces of this document have one slug", param="workspaces")
    ordered: dict[str, WorkspacePart] = {}
    for part in parts:
        way: list[WorkspacePart] = []
        step: WorkspacePart | None = part
        while step is not None and step.slug not in ordered:
            if step in way:
                circle = " → ".join(one.slug for one in (*way, step))
                raise Conflict(f"these workspaces are templates of each other: {circle}", param="workspaces")
            way.append(step)
            if step.template is not None and step.template not in by_slug:
                raise Conflict(f"{step.template!r}, the template of {step.slug!r}, is not in the document")
            step = None if step.template is None else by_slug[step.template]
        ordered.update((one.slug, one) for one in reversed(way))
    return list(ordered.values())


def seal(secret: bytes, passphrase: str) -> str:
    """Return a secret that opens with its passphrase alone.

    Raises:
        InvalidRequest: The passphrase is too short.
    """
    if len(passphrase) < MIN_PASSPHRASE:
        raise InvalidRequest(f"a passphrase has at least {MIN_PASSPHRASE} characters", param="passphrase")
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(_NONCE_BYTES)
    return base64.b64encode(
        salt + nonce + AESGCM(_key(passphrase, salt)).encrypt(nonce, secret, FORMAT.encode())
    ).decode()


def unseal(sealed: str, passphrase: str) -> bytes:
    """Return a secret that was sealed.

    Raises:
        Conflict: It is not that passphrase, or somebody changed what was sealed.
    """
    try:
        raw = base64.b64decode(sealed, validate=True)
        salt, nonce, rest = raw[:16], raw[16 : 16 + _NONCE_BYTES], raw[16 + _NONCE_BYTES :]
        return AESGCM(_key(passphrase, salt)).decrypt(nonce, rest, FORMAT.encode())
    except (ValueError, InvalidTag) as error:
        raise Conflict("the passphrase does not open what is sealed here", param="passphrase") from error


def _key(passphrase: str, salt: bytes) -> bytes:
    return hashlib.scrypt(passphrase.encode(), salt=salt, **_SCRYPT)
