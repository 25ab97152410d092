"""The operations of limits and alerts in the OpenAPI document."""

from __future__ import annotations

from typing import Final

from narthex.http.control_documents import changing, listing, showing
from narthex.http.operations import answers, json_body, query
from narthex.http.schemas import TEXT, Json

_WORKSPACE: Final = query("workspace_id", TEXT, "Only those of this workspace.")

LIST_LIMITS: Final = listing("Limits", "Limits", "List the limits that you see", _WORKSPACE)
CREATE_LIMIT: Final = changing("Limit", "Limits", "Limit what somebody may use", body="LimitWish", is_new=True)
GET_LIMIT: Final = showing("Limit", "Limits", "Show a limit")
UPDATE_LIMIT: Final = changing("Limit", "Limits", "Change a limit; what was counted stays", body="LimitChange")
DELETE_LIMIT: Final = changing("LimitDeleted", "Limits", "Take a limit away", ends=True)
LIMIT_USAGE: Final[Json] = {
    "tags": ["Limits"],
    "summary": "How the limits stand that you see, at this moment",
    "responses": answers(json_body("LimitUsages"), "All of them.", errors=(401, 403, 503)),
}
LIST_ALERTS: Final = listing("Alerts", "Limits", "List thresholds of limits that were passed, the latest first")
