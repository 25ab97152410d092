"""Who read what, as the audit log is told."""

from __future__ import annotations

from narthex.tenancy.keys import LOCAL, Caller
from narthex.tenancy.readings import Readings
from narthex.types.accounts import Account
from tests.tenancy.towns import WrittenDown

READER = Caller(name="key_a", account=Account(organisation_id="org_a", workspace_id="ws_a", key_id="key_a"))


def test_what_others_made_is_noted() -> None:
    """With who reads, what and where from; what is one's own is not, and what nobody knows the maker of is."""
    audit = WrittenDown()
    readings = Readings(audit)
    readings.note(READER, "response:r", by="key_a")
    readings.note(LOCAL, "response:r", by="local")
    readings.note(READER, "response:r", by="key_b", address="192.0.2.1", request_id="req_1")
    readings.note(READER, "recording:" + "x" * 300)
    readings.note_list(READER, "streams")
    assert audit.actions == ["content.read", "content.read", "content.list"]
    first, second, _ = (fields for _, fields in audit.rows)
    assert (first["workspace_id"], first["target"], first["details"]) == ("ws_a", "response:r", {"by": "key_b"})
    assert (first["address"], first["request_id"]) == ("192.0.2.1", "req_1")
    assert (len(str(second["target"])), second["details"]) == (200, {})


def test_without_a_log_nothing_happens() -> None:
    """A registry by itself has none."""
    Readings().note(READER, "stream:s")
