"""Every table, in portable types: what holds in SQLite holds in PostgreSQL.

Times are whole milliseconds of Unix time (`…_at`), money is whole picodollars (millionths of a microdollar), in which a
price in microdollars for a million tokens, times tokens, is exact. IDs are made by their callers. Rows that people
change carry a `version`, which is their ETag.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_ID: Final = String(64)


def _version() -> Column[int]:
    return Column("version", Integer, nullable=False, default=1)


# -- the installation --------------------------------------------------------------------------------------------------

facts = Table(
    "facts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
)
"""What this installation knows of itself, such as the pepper of its keys, sealed."""

changes = Table(
    "changes",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("kind", String(32), nullable=False),
    Column("subject", _ID, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""What changed in the tables that are held in memory, in order: every process reads on from the last it has seen."""

# -- who ---------------------------------------------------------------------------------------------------------------

organisations = Table(
    "organisations",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("slug", String(64), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("settings", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    _version(),
)

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("organisation_id", _ID, ForeignKey("organisations.id"), nullable=False),
    Column("slug", String(64), nullable=False),
    Column("name", String(200), nullable=False),
    Column("description", String(2_000), nullable=False, default=""),
    Column("settings", JSON, nullable=False),
    Column("is_template", Boolean, nullable=False, default=False),
    Column("created_at", BigInteger, nullable=False),
    Column("archived_at", BigInteger),
    _version(),
    UniqueConstraint("organisation_id", "slug"),
)

users = Table(
    "users",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("organisation_id", _ID, ForeignKey("organisations.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("email", String(320), unique=True),
    Column("name", String(200), nullable=False),
    Column("role", String(64), nullable=False),
    Column("password_hash", String(400)),
    Column("totp_sealed", LargeBinary),
    Column("totp_confirmed_at", BigInteger),
    Column("totp_last_step", BigInteger),
    Column("recovery_hashes", JSON),
    Column("issuer", String(400)),
    Column("subject", String(400)),
    Column("current_workspace_id", _ID, ForeignKey("workspaces.id")),
    Column("created_at", BigInteger, nullable=False),
    Column("last_sign_in_at", BigInteger),
    Column("disabled_at", BigInteger),
    _version(),
    UniqueConstraint("issuer", "subject"),
    Index(None, "organisation_id"),
)
"""People and service accounts (`kind`: `person`, `service`); `role` is the one in the organisation, mostly `member`."""

roles = Table(
    "roles",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("organisation_id", _ID, ForeignKey("organisations.id"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("permissions", JSON, nullable=False),
    _version(),
    UniqueConstraint("organisation_id", "name"),
)
"""Roles that an organisation made beside the built-in ones."""

members = Table(
    "members",
    metadata,
    Column("workspace_id", _ID, ForeignKey("workspaces.id"), primary_key=True),
    Column("user_id", _ID, ForeignKey("users.id"), primary_key=True),
    Column("role", String(64), nullable=False),
    Column("source", String(16), nullable=False, default="hand"),
    Column("created_at", BigInteger, nullable=False),
    _version(),
    Index(None, "user_id"),
)
"""Who is in a workspace, and as what; `source` is `hand` or `groups` (of single sign-on)."""

invitations = Table(
    "invitations",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("organisation_id", _ID, ForeignKey("organisations.id"), nullable=False),
    Column("workspace_id", _ID, ForeignKey("workspaces.id")),
    Column("email", String(320), nullable=False),
    Column("role", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", _ID, nullable=False),
    Column("opens_account", Boolean, nullable=False, default=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("accepted_at", BigInteger),
    Column("accepted_by", _ID),
    Column("revoked_at", BigInteger),
    _version(),
    Index(None, "organisation_id", "created_at"),
    Index(None, "email"),
)
"""Links for people to come in by, of which hashes are kept; without a workspace they lead into the organisation."""

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("organisation_id", _ID, ForeignKey("organisations.id"), nullable=False),
    Column("workspace_id", _ID, ForeignKey("workspaces.id"), nullable=False),
    Column("user_id", _ID, ForeignKey("users.id")),
    Column("name", String(200), nullable=False),
    Column("shown", String(64), nullable=False),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("priority", String(16), nullable=False, default="normal"),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("rotated_to", _ID),
    Column("first_used_at", BigInteger),
    Column("last_used_at", BigInteger),
    _version(),
    Index(None, "workspace_id", "created_at"),
    Index(None, "user_id"),
)
"""Virtual keys. `shown` is what may be shown of one; `scopes` holds `models`, `routes`, `addresses`, `permissions`."""

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("id", _ID, nullable=False, unique=True),
    Column("user_id", _ID, ForeignKey("users.id"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("address", String(64), nullable=False, default=""),
    Column("agent", String(200), nullable=False, default=""),
    Column("how", String(16), nullable=False),
    Column("id_token_sealed", LargeBinary),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)
"""Who is signed in at the dashboard; `how` is `password`, `second_factor` or `sso`."""

sign_in_tries = Table(
    "sign_in_tries",
    metadata,
    Column("name", LargeBinary(32), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("forget_at", BigInteger, nullable=False),
    Index(None, "forget_at"),
)
"""Failed tries of signing in, of users and of addresses, and where users sign in from: by keyed hashes alone."""

# -- how much ----------------------------------------------------------------------------------------------------------

limits = Table(
    "limits",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("organisation_id", _ID, ForeignKey("organisations.id"), nullable=False),
    Column("workspace_id", _ID, ForeignKey("workspaces.id")),
    Column("subject_kind", String(16), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("measure", String(32), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("period", String(16), nullable=False),
    Column("window", String(16), nullable=False),
    Column("burst", BigInteger),
    Column("hard", Boolean, nullable=False),
    Column("alert_percents", JSON, nullable=False),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("created_at", BigInteger, nullable=False),
    _version(),
    Index(None, "organisation_id", "workspace_id"),
)
"""Caps: `measure` is `requests`, `input_tokens`, `output_tokens`, `tokens`, `cost_microusd`, `parallel` and others."""

alerts = Table(
    "alerts",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("limit_id", _ID, nullable=False),
    Column("organisation_id", _ID, nullable=False),
    Column("workspace_id", _ID),
    Column("percent", Integer, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("period_start", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("seen_at", BigInteger),
    Index(None, "organisation_id", "at"),
)
"""Thresholds of limits that were passed, once for each period."""

prices = Table(
    "prices",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("organisation_id", _ID, ForeignKey("organisations.id")),
    Column("model", String(200), nullable=False),
    Column("valid_from", BigInteger, nullable=False),
    Column("rates", JSON, nullable=False),
    Column("source", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("organisation_id", "model", "valid_from"),
)
"""What models cost from a moment on; rows are never changed. None for `organisation_id` is for all."""

_USAGE: Final = (
    "requests",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
_MEDIA: Final = ("images", "audio_ms", "cache_write_1h_tokens")
"""What came to be counted last, and stands there."""

_DOUBTFUL: Final = ("estimated_picousd", "unpriced_tokens", "unpriced_attempts")
"""Of the sums: the cost that rests on tokens counted here, and the tokens and attempts whose price nobody knew."""


def _sums() -> list[Column[int]]:
    names = (*_USAGE, "attempts", "failures", "estimated", "cost_picousd", "saved_picousd", "duration_ms")
    return [Column(name, BigInteger, nullable=False, default=0) for name in (*names, *_MEDIA, *_DOUBTFUL)]


ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("id", String(96), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("way", String(16), nullable=False),
    Column("organisation_id", _ID, nullable=False),
    Column("workspace_id", _ID, nullable=False),
    Column("user_id", _ID, nullable=False),
    Column("key_id", _ID, nullable=False),
    Column("end_user", String(200), nullable=False),
    Column("tags", String(500), nullable=False),
    Column("operation", String(32), nullable=False),
    Column("surface", String(32), nullable=False),
    Column("provider", String(64), nullable=False),
    Column("model", String(200), nullable=False),
    Column("model_asked", String(256), nullable=False),
    Column("code", String(64), nullable=False),
    *(Column(name, BigInteger, nullable=False, default=0) for name in _USAGE),
    Column("estimated", Boolean, nullable=False),
    Column("price_id", _ID, nullable=False),
    Column("cost_picousd", BigInteger, nullable=False),
    Column("saved_picousd", BigInteger, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    *(Column(name, BigInteger, nullable=False, default=0) for name in _MEDIA),
    Index(None, "at"),
    Index(None, "request_id"),
    Index(None, "workspace_id", "at"),
    Index(None, "organisation_id", "at"),
    Index(None, "key_id", "at"),
    Index(None, "end_user", "at"),
)
"""One row for each attempt at a call, written once and never changed. Empty strings where something is not known."""

usage_hours = Table(
    "usage_hours",
    metadata,
    Column("hour", BigInteger, primary_key=True),
    Column("organisation_id", _ID, primary_key=True),
    Column("workspace_id", _ID, primary_key=True),
    Column("user_id", _ID, primary_key=True),
    Column("key_id", _ID, primary_key=True),
    Column("operation", String(32), primary_key=True),
    Column("model", String(200), primary_key=True),
    Column("tags", String(500), primary_key=True),
    *_sums(),
    Index(None, "workspace_id", "hour"),
    Index(None, "organisation_id", "hour"),
    Index(None, "key_id", "hour"),
)
"""Sums of the ledger for each hour, written in the same transactions as its entries."""

usage_days = Table(
    "usage_days",
    metadata,
    Column("day", BigInteger, primary_key=True),
    Column("organisation_id", _ID, primary_key=True),
    Column("workspace_id", _ID, primary_key=True),
    Column("operation", String(32), primary_key=True),
    Column("model", String(200), primary_key=True),
    *_sums(),
    Index(None, "workspace_id", "day"),
    Index(None, "organisation_id", "day"),
)
"""Sums of the hours of each day that is in `folded_days`, told apart by less."""

usage_key_days = Table(
    "usage_key_days",
    metadata,
    Column("day", BigInteger, primary_key=True),
    Column("organisation_id", _ID, primary_key=True),
    Column("workspace_id", _ID, primary_key=True),
    Column("user_id", _ID, primary_key=True),
    Column("key_id", _ID, primary_key=True),
    Column("operation", String(32), primary_key=True),
    Column("model", String(200), primary_key=True),
    *_sums(),
    Index(None, "workspace_id", "day"),
    Index(None, "organisation_id", "day"),
    Index(None, "key_id", "day"),
)
"""As `usage_days`, by users and keys too."""

folded_days = Table("folded_days", metadata, Column("day", BigInteger, primary_key=True, autoincrement=False))
"""Days whose sums are those of their hours; whoever changes an hour takes its day out, in the same transaction."""

# -- what was done -----------------------------------------------------------------------------------------------------

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", _ID, nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", String(200), nullable=False),
    Column("organisation_id", _ID, nullable=False),
    Column("workspace_id", _ID, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("address", String(64), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("details", JSON, nullable=False),
    Column("previous_hash", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Index(None, "organisation_id", "at"),
    Index(None, "workspace_id", "at"),
    Index(None, "actor", "at"),
)
"""A chain: each row holds the hash of the one before it. Persons stand in it under pseudonyms."""

persons = Table(
    "persons",
    metadata,
    Column("pseudonym", _ID, primary_key=True),
    Column("identity_sealed", LargeBinary),
    Column("created_at", BigInteger, nullable=False),
    Column("erased_at", BigInteger),
)
"""Who stands behind a pseudonym, sealed; nothing once erased."""

erasures = Table(
    "erasures",
    metadata,
    Column("mark", _ID, primary_key=True),
    Column("instead", String(200), nullable=False),
    Column("until", BigInteger, nullable=False),
)
"""Names that were erased, as keyed hashes, and what is written for them in what had begun until then."""

secrets = Table(
    "secrets",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("organisation_id", _ID, nullable=False),
    Column("workspace_id", _ID, nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    _version(),
    Index(None, "workspace_id"),
)
"""Secrets at rest, such as keys of providers, sealed under the master key."""
