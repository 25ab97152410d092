"""Whether an answer that is kept was asked for by somebody who was erased since."""

from __future__ import annotations

from collections.abc import Callable

from narthex.cache.entries import Entry
from narthex.stores.database.erasures import ErasedNames

OrganisationOf = Callable[[str], str]
"""Returns the ID of the organisation that a workspace belongs to; empty if that is not known."""


def is_erased(entry: Entry, names: ErasedNames, organisation_of: OrganisationOf) -> bool:
    """Tell whether the call that an entry was made for was a user's, a key's or an end user's who was erased since."""
    begun_ms = entry.made_ms - entry.took_ms
    if begun_ms > names.until:
        return False
    for tag in entry.tags:
        kind, _, name = tag.partition(":")
        if kind in {"user", "key"} and names.instead("actor", name, begun_ms) != name:
            return True
        if kind == "end-user":
            workspace_id, _, end_user = name.partition(":")
            where = organisation_of(workspace_id)
            if names.instead("end_user", end_user, begun_ms, where) != end_user:
                return True
    return False
