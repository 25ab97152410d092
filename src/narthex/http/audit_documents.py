"""The operations and schemas of the audit log and of what is kept of persons, in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from narthex.http.control import MAX_LISTED, USUAL_LISTED
from narthex.http.operations import answers, json_body, query
from narthex.http.schemas import COUNT, FLAG, TEXT, Json, complete, listed, nullable, one_of, record, ref, said

_FLAG: Final[Json] = {"enum": ["true", "false"]}
_SECONDS: Final[Json] = {"type": "string", "pattern": "^[0-9]{1,11}$"}
_WANTED: Final[tuple[Json, ...]] = (
    query("organisation_id", TEXT, "Only of this organisation; by default yours."),
    query("workspace_id", TEXT, "Only of this workspace."),
    query("actor", TEXT, "Only what this user or key did."),
    query("action", TEXT, "Only this action, such as `key.create`, or all of a kind, such as `key`."),
    query("target", TEXT, "Only what was done to this."),
    query("outcome", one_of("ok", "denied", "failed"), "Only what ended so."),
    query("since", _SECONDS, "Only from this moment on, in Unix time in seconds."),
    query("until", _SECONDS, "Only before this moment, in Unix time in seconds."),
    query("reveal", _FLAG, "Whether to tell who is behind pseudonyms, where that is known."),
)
_PAGES: Final[tuple[Json, ...]] = (
    query("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LISTED}, f"How many; {USUAL_LISTED} by default."),
    query("after", {"type": "string", "pattern": "^[0-9]{1,18}$"}, "`next` of the part before."),
)
_ERRORS: Final = (400, 401, 403, 404, 503)

LIST_AUDIT: Final[Json] = {
    "tags": ["Audit"],
    "summary": "List the entries of the audit log, the newest first",
    "openapi_extra": {"parameters": [*_PAGES, *_WANTED]},
    "responses": answers(json_body("AuditEntries"), "A part of the list.", errors=_ERRORS),
}
EXPORT_AUDIT: Final[Json] = {
    "tags": ["Audit"],
    "summary": "Export the entries of the audit log, the oldest first, one JSON object in a line",
    "openapi_extra": {"parameters": [*_WANTED]},
    "responses": answers({"application/jsonl": {"schema": TEXT}}, "The entries.", errors=_ERRORS),
}
VERIFY_AUDIT: Final[Json] = {
    "tags": ["Audit"],
    "summary": "Check every entry of the audit log, and hold all of them against the signed checkpoints",
    "responses": answers(json_body("AuditVerdict"), "What was found.", errors=(401, 403, 409, 503, 504)),
}

EXPORT_USER: Final[Json] = {
    "tags": ["Privacy"],
    "summary": "Hand out all that is kept of a user, as a ZIP file",
    "responses": answers(
        {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        "The file.",
        errors=(401, 403, 404, 503),
    ),
}
ERASE_USER: Final[Json] = {
    "tags": ["Privacy"],
    "summary": "Erase a user: they act no more, and nothing tells who they were",
    "responses": answers(json_body("ErasedUser"), "What was erased.", errors=(401, 403, 404, 409, 503)),
}
ERASE_END_USER: Final[Json] = {
    "tags": ["Privacy"],
    "summary": "Erase an end user, by the name that calls carry, without changing a sum",
    "openapi_extra": {
        "requestBody": {"required": True, "content": {"application/json": {"schema": ref("EndUserWish")}}}
    },
    "responses": answers(json_body("ErasedEndUser"), "What was erased.", errors=(400, 401, 403, 404, 408, 413, 503)),
}
_ROWS: Final = said({"type": "object", "additionalProperties": COUNT}, "How many, by table.")

AUDIT: Final[Mapping[str, Json]] = {
    "AuditEntries": complete(
        {
            "object": {"const": "list"},
            "data": listed(ref("AuditEntry")),
            "has_more": FLAG,
            "next": said(nullable(TEXT), "`after` of the part behind this one."),
        }
    ),
    "AuditVerdict": complete(
        {
            "object": {"const": "audit.verdict"},
            "rows": said(COUNT, "Entries that were read."),
            "covered_seq": said(COUNT, "The last entry that a checkpoint speaks for; 0 for none."),
            "last_seq": said(COUNT, "The last entry there is."),
            "checkpoints": said(COUNT, "Signed statements that were held against the entries."),
            "faults": said(listed(TEXT), "What is wrong, the first hundred."),
        }
    ),
    "ErasedUser": complete({"object": {"const": "user"}, "id": TEXT, "erased": {"const": True}, "rows": _ROWS}),
    "ErasedEndUser": complete({"object": {"const": "end_user"}, "erased": {"const": True}, "rows": _ROWS}),
    "EndUserWish": record(
        {"end_user": {"type": "string", "minLength": 1, "maxLength": 200}}, ("end_user",), additionalProperties=False
    ),
    "AuditEntry": complete(
        {
            "object": {"const": "audit_entry"},
            "seq": said(COUNT, "Its number in the chain."),
            "at": said(COUNT, "Unix time in milliseconds."),
            "actor": said(TEXT, "Who did it: ID of a user or key, `local`, `cli` or `system`."),
            "action": TEXT,
            "target": TEXT,
            "organisation_id": TEXT,
            "workspace_id": TEXT,
            "outcome": one_of("ok", "denied", "failed"),
            "address": said(TEXT, "A pseudonym of the network address, if the level of the log has it."),
            "request_id": TEXT,
            "details": {"type": "object"},
            "hash": said(TEXT, "What the next entry holds of this one, in hexadecimal."),
            "persons": said(
                {"type": "object", "additionalProperties": TEXT}, "Who is behind the pseudonyms, if that was asked."
            ),
        }
    ),
}
