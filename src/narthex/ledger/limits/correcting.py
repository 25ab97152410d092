"""Has limits count what the ledger was corrected by, in processes that run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from narthex.ledger.entries import Entry
from narthex.ledger.limits.matching import Use
from narthex.ledger.limits.meters import Meters
from narthex.ledger.limits.restoring import begin_ms
from narthex.ledger.limits.shared import SharedMeters
from narthex.ledger.limits.uses import NOTHING, Amounts, Spent, place_of
from narthex.types.accounts import Account
from narthex.types.limits import Limit


def count_corrections(
    entries: Iterable[Entry], meters: Meters, shared: SharedMeters | None, *, now: float
) -> Iterator[str]:
    """Count corrections in the limits whose present period they lie in; yield the limits' IDs.

    Args:
        entries: The corrections.
        meters: What counts in this process.
        shared: What counts for several processes, where they share their limits: each may tell it, and it counts once.
        now: In seconds of Unix time.
    """
    for entry in entries:
        used = _used(entry)
        for limit, value in _concerned(entry, meters, now):
            amount = used[place_of(limit)]
            if not amount:
                continue
            yield limit.id
            if shared is None:
                meters.restored(limit, [Spent(value=value, at=entry.at / 1_000, used=amount)])
            else:
                shared.correct(limit, value, amount, name=entry.id)


def _used(entry: Entry) -> Amounts:
    read, written = entry.input_tokens, entry.output_tokens
    return (*NOTHING[:1], read, written, read + written, entry.cost_picousd, 0)


def _concerned(entry: Entry, meters: Meters, now: float) -> Iterator[tuple[Limit, str]]:
    account = Account(
        organisation_id=entry.organisation_id, workspace_id=entry.workspace_id, user_id="", key_id="", tags=()
    )
    for limit, value in meters.matching.of(Use(account, entry.model)):
        if limit.lasts and entry.at >= begin_ms(limit, now):
            yield limit, value
