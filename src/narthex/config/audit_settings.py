"""The options of what is sealed, what is written down about who did what, and how long anything is kept."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr

from narthex.config.sections import Seconds, Section

MASTER_KEY_BYTES: Final = 32

_EXPECTED: Final = "expected 32 bytes in base64 or hexadecimal, as `openssl rand -base64 32` makes them"


class SecretsSettings(Section):
    """The master key, under which secrets are sealed in the database."""

    master_key: SecretStr | None = Field(
        default=None,
        description="The master key: 32 bytes in base64 or hexadecimal; better `${NAME}` or `file:/path`. By default "
        "that of `master_key_file`.",
    )
    previous_master_keys: tuple[SecretStr, ...] = Field(
        default=(), description="Master keys that still open what they sealed, until `narthex secrets rotate` is done."
    )
    master_key_file: Path | None = Field(
        default=None,
        description="Where the master key is kept without `master_key`, the newest in the first line; made at "
        "the first start, for its owner alone. By default `master.key` in `data_dir`.",
    )


class AuditSettings(Section):
    """What is written in the audit log, and where its signed checkpoints go."""

    level: Literal["minimal", "standard", "detailed"] = Field(
        default="standard", description="How much is written: every change and denial, also first uses, or all reads."
    )
    checkpoint_dir: Path | None = Field(
        default=None,
        description="Folder of the signed checkpoints, best on another disk than the database. By default `audit` in "
        "`data_dir`.",
    )
    checkpoint_interval_s: Seconds = Field(
        default=3_600.0, description="Time from one signed checkpoint to the next, in seconds; one more at every stop."
    )
    max_waiting: int = Field(
        default=10_000,
        ge=100,
        le=1_000_000,
        description="Entries that wait while the database cannot be used; more are counted, and the number written.",
    )


def _days(what: str, *, least: int = 1) -> int | None:
    told: int | None = Field(
        default=None, ge=least, le=36_500, description=f"How long {what}, in days; by default for ever."
    )
    return told


class RetentionSettings(Section):
    """How long what is kept is kept; a sweep once a day removes what is older."""

    requests_days: int | None = _days("lines of the request log are kept")
    recordings_days: int | None = _days("recordings of streams are kept")
    ledger_days: int | None = _days("single entries of the ledger are kept, whose sums for each hour stay", least=62)
    audit_days: int | None = _days("entries of the audit log are kept")
    alerts_days: int | None = _days("alerts of limits are kept")
    sessions_days: int = Field(
        default=1, ge=1, le=36_500, description="How long sessions and invitations are kept past their end, in days."
    )
    keys_days: int | None = _days("virtual keys are kept after they were revoked or have ended")


def why_not_secrets(settings: SecretsSettings) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the section, with the option's name; no key is ever repeated."""
    given = [("master_key", settings.master_key)] if settings.master_key is not None else []
    for name, key in (*given, *(("previous_master_keys", key) for key in settings.previous_master_keys)):
        if master_key_bytes(key.get_secret_value()) is None:
            yield name, f"is no master key; {_EXPECTED}"
    if settings.previous_master_keys and settings.master_key is None:
        yield "previous_master_keys", "stand without `master_key`; set that one too, or keep all in `master_key_file`"


def master_key_bytes(text: str) -> bytes | None:
    """Return the key that a text stands for; None if it is none."""
    text = text.strip()
    try:
        if len(text) == 2 * MASTER_KEY_BYTES:
            return bytes.fromhex(text)
        plain = text.rstrip("=").replace("-", "+").replace("_", "/")
        key = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (ValueError, binascii.Error):
        return None
    return key if len(key) == MASTER_KEY_BYTES else None
