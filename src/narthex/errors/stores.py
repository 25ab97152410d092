"""What may be wrong with the database."""

from __future__ import annotations

from narthex.errors.base import NarthexError


class StoreUnavailable(NarthexError):
    """The database cannot be used at the moment."""

    code = "store_unavailable"
    status = 503
    type = "overloaded_error"


class StoreUnreachable(StoreUnavailable):
    """The database cannot be reached, or the connection to it broke."""

    code = "store_unreachable"


class StoreRefused(StoreUnavailable):
    """The database does not let Narthex in, or not do what it must."""

    code = "store_refused"


class StoreBusy(StoreUnavailable):
    """The database is locked by others, or did not answer in time."""

    code = "store_busy"


class StoreFull(StoreUnavailable):
    """The disk of the database is full."""

    code = "store_full"


class StoreReadOnly(StoreUnavailable):
    """The database can be read, and not be written."""

    code = "store_read_only"


class StoreCorrupt(StoreUnavailable):
    """The database is damaged, or is no database."""

    code = "store_corrupt"


class SchemaNewer(StoreUnavailable):
    """The database belongs to a newer version of Narthex."""

    code = "schema_newer"


class MasterKeyUnusable(StoreUnavailable):
    """The master key is lost, is another one, or can be read by others."""

    code = "master_key_unusable"


class SealBroken(StoreUnavailable):
    """A sealed value does not open: it was changed, or stands where it does not belong."""

    code = "seal_broken"


class BackupUnusable(NarthexError):
    """The backup cannot be written or restored."""

    code = "backup_unusable"
    status = 400
    type = "invalid_request_error"


class FrameUnreadable(NarthexError):
    """What is kept compressed cannot be read."""

    code = "frame_unreadable"


class CorruptFrame(FrameUnreadable):
    """What is kept compressed is not what was written."""

    code = "frame_corrupt"


class DictionaryMissing(FrameUnreadable):
    """The dictionary that something was compressed with is gone."""

    code = "dictionary_missing"
