"""Which permission each route needs, and where: one table, in which every route of `/v1` and `/api` stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

Where = Literal[
    "own",
    "installation",
    "anyone",
    "listed",
    "organisation_id",
    "workspace_id",
    "user_id",
    "role_id",
    "key_id",
    "invitation_id",
    "limit_id",
]
"""Where a permission must be had.

`own`: in the workspace of the caller. `installation`: on what all organisations share. `anyone`: none beyond a key.
`listed`: the route itself tells only what may be seen. The others name the parameter that says whose it is.
"""


class Guard(NamedTuple):
    """What a route needs."""

    permission: str
    where: Where = "own"


_CALL: Final = Guard("models:call")
_SEE: Final = Guard("settings:read", "installation")
_SET: Final = Guard("settings:write", "installation")

GUARDS: Final[Mapping[tuple[str, str], Guard]] = {
    ("POST", "/v1/chat/completions"): _CALL,
    ("POST", "/v1/responses"): _CALL,
    ("POST", "/v1/embeddings"): _CALL,
    ("POST", "/v1/messages"): _CALL,
    ("POST", "/v1/messages/count_tokens"): _CALL,
    ("GET", "/v1/models"): Guard("models:call", "anyone"),
    ("GET", "/v1/models/{name:path}"): Guard("models:call", "anyone"),
    ("GET", "/api/models"): Guard("models:call", "anyone"),
    ("POST", "/api/generate"): _CALL,
    ("POST", "/v1/streams/merge"): _CALL,
    ("POST", "/v1/realtime/client_secrets"): _CALL,
    ("GET", "/v1/streams/ws"): _CALL,
    ("GET", "/v1/realtime"): _CALL,
    ("GET", "/v1/streams"): _CALL,
    ("GET", "/v1/streams/{name}"): _CALL,
    ("DELETE", "/v1/streams/{name}"): _CALL,
    ("POST", "/v1/streams/{name}/pause"): _CALL,
    ("POST", "/v1/streams/{name}/resume"): _CALL,
    ("POST", "/v1/streams/{name}/cancel"): _CALL,
    ("POST", "/v1/streams/{name}/record"): _CALL,
    ("GET", "/v1/streams/{name}/timeline"): _CALL,
    ("GET", "/v1/recordings"): _CALL,
    ("GET", "/v1/recordings/{name}"): _CALL,
    ("DELETE", "/v1/recordings/{name}"): _CALL,
    ("GET", "/v1/recordings/{name}/replay"): _CALL,
    ("POST", "/v1/responses/input_tokens"): _CALL,
    ("GET", "/v1/responses/{response_id}"): _CALL,
    ("DELETE", "/v1/responses/{response_id}"): _CALL,
    ("POST", "/v1/responses/{response_id}/cancel"): _CALL,
    ("GET", "/v1/responses/{response_id}/input_items"): _CALL,
    ("POST", "/api/route"): _CALL,
    ("GET", "/metrics"): _SEE,
    ("GET", "/api/system/status"): _SEE,
    ("GET", "/api/breakers"): _SEE,
    ("PUT", "/api/breakers/{name:path}"): _SET,
    ("GET", "/api/concurrency"): _SEE,
    ("GET", "/api/debug/queries"): _SEE,
    ("GET", "/api/provider-keys"): Guard("secrets:read", "installation"),
    ("PUT", "/api/provider-keys/{provider}/{key}"): Guard("secrets:write", "installation"),
    ("GET", "/api/organisations"): Guard("organisation:read", "listed"),
    ("POST", "/api/organisations"): Guard("organisation:write", "installation"),
    ("GET", "/api/organisations/{organisation_id}"): Guard("organisation:read", "organisation_id"),
    ("PATCH", "/api/organisations/{organisation_id}"): Guard("organisation:write", "organisation_id"),
    ("GET", "/api/workspaces"): Guard("workspaces:read", "listed"),
    ("POST", "/api/workspaces"): Guard("workspaces:write", "listed"),
    ("GET", "/api/workspaces/{workspace_id}"): Guard("workspaces:read", "workspace_id"),
    ("PATCH", "/api/workspaces/{workspace_id}"): Guard("workspaces:write", "workspace_id"),
    ("POST", "/api/workspaces/{workspace_id}/archive"): Guard("workspaces:write", "workspace_id"),
    ("POST", "/api/workspaces/{workspace_id}/restore"): Guard("workspaces:write", "workspace_id"),
    ("GET", "/api/me"): Guard("", "anyone"),
    ("PUT", "/api/me/workspace"): Guard("", "anyone"),
    ("GET", "/api/workspaces/{workspace_id}/members"): Guard("members:read", "workspace_id"),
    ("POST", "/api/workspaces/{workspace_id}/members"): Guard("members:write", "workspace_id"),
    ("GET", "/api/workspaces/{workspace_id}/members/{user_id}"): Guard("members:read", "workspace_id"),
    ("PATCH", "/api/workspaces/{workspace_id}/members/{user_id}"): Guard("members:write", "workspace_id"),
    ("DELETE", "/api/workspaces/{workspace_id}/members/{user_id}"): Guard("members:write", "workspace_id"),
    ("GET", "/api/users"): Guard("users:read", "listed"),
    ("POST", "/api/users"): Guard("users:write", "listed"),
    ("GET", "/api/users/{user_id}"): Guard("users:read", "user_id"),
    ("PATCH", "/api/users/{user_id}"): Guard("users:write", "user_id"),
    ("GET", "/api/users/{user_id}/export"): Guard("privacy:read", "user_id"),
    ("POST", "/api/users/{user_id}/erase"): Guard("privacy:write", "user_id"),
    ("POST", "/api/end-users/erase"): Guard("privacy:write", "installation"),
    ("GET", "/api/roles"): Guard("roles:read", "listed"),
    ("POST", "/api/roles"): Guard("roles:write", "listed"),
    ("GET", "/api/roles/{role_id}"): Guard("roles:read", "role_id"),
    ("PATCH", "/api/roles/{role_id}"): Guard("roles:write", "role_id"),
    ("DELETE", "/api/roles/{role_id}"): Guard("roles:write", "role_id"),
    ("GET", "/api/invitations"): Guard("members:write", "listed"),
    ("POST", "/api/invitations"): Guard("members:write", "listed"),
    ("GET", "/api/invitations/{invitation_id}"): Guard("members:write", "invitation_id"),
    ("POST", "/api/invitations/{invitation_id}/revoke"): Guard("members:write", "invitation_id"),
    ("POST", "/api/workspace-imports"): Guard("workspaces:write", "listed"),
    ("POST", "/api/workspaces/{workspace_id}/export"): Guard("workspaces:write", "workspace_id"),
    ("GET", "/api/usage"): Guard("usage:read", "listed"),
    ("GET", "/api/usage/forecast"): Guard("usage:read", "listed"),
    ("GET", "/api/usage/export"): Guard("usage:read", "listed"),
    ("GET", "/api/ledger/entries"): Guard("ledger:read", "listed"),
    ("POST", "/api/ledger/reconcile"): Guard("ledger:write", "listed"),
    ("GET", "/api/prices"): Guard("prices:read", "listed"),
    ("POST", "/api/prices"): Guard("prices:write", "listed"),
    ("POST", "/api/ledger/verify"): Guard("ledger:read", "installation"),
    ("POST", "/api/audit/verify"): Guard("audit:read", "installation"),
    ("GET", "/api/audit"): Guard("audit:read", "listed"),
    ("GET", "/api/audit/export"): Guard("audit:read", "listed"),
    ("GET", "/api/keys"): Guard("keys:read", "listed"),
    ("POST", "/api/keys"): Guard("keys:write", "listed"),
    ("GET", "/api/keys/{key_id}"): Guard("keys:read", "key_id"),
    ("PATCH", "/api/keys/{key_id}"): Guard("keys:write", "key_id"),
    ("POST", "/api/keys/{key_id}/rotate"): Guard("keys:write", "key_id"),
    ("POST", "/api/keys/{key_id}/revoke"): Guard("keys:write", "key_id"),
    ("GET", "/api/limits"): Guard("limits:read", "listed"),
    ("POST", "/api/limits"): Guard("limits:write", "listed"),
    ("GET", "/api/limits/usage"): Guard("limits:read", "listed"),
    ("GET", "/api/limits/{limit_id}"): Guard("limits:read", "limit_id"),
    ("PATCH", "/api/limits/{limit_id}"): Guard("limits:write", "limit_id"),
    ("DELETE", "/api/limits/{limit_id}"): Guard("limits:write", "limit_id"),
    ("GET", "/api/alerts"): Guard("limits:read", "listed"),
    ("GET", "/api/cache/stats"): Guard("cache:read"),
    ("GET", "/api/cache/misses"): Guard("cache:read"),
    ("GET", "/api/cache/entries"): Guard("cache:read"),
    ("GET", "/api/cache/entries/{cache_key}"): Guard("cache:read"),
    ("DELETE", "/api/cache/entries/{cache_key}"): Guard("cache:write"),
    ("POST", "/api/cache/clear"): Guard("cache:write"),
    ("POST", "/api/cache/invalidate"): Guard("cache:write"),
    ("POST", "/api/cache/reopen"): Guard("cache:write"),
    ("POST", "/api/cache/warm"): Guard("cache:write"),
    ("GET", "/api/cache/insights"): Guard("cache:read"),
    ("POST", "/api/cache/predict"): Guard("cache:read"),
    ("POST", "/api/cache/prefetch"): Guard("cache:write"),
}
"""By method and template of the path."""

_WORDS: Final = (
    ("/v1/chat/", "chat"),
    ("/v1/messages", "chat"),
    ("/api/generate", "chat"),
    ("/v1/streams/merge", "chat"),
    ("/v1/embeddings", "embeddings"),
    ("/v1/responses", "responses"),
    ("/v1/realtime", "realtime"),
    ("/v1/streams", "streams"),
    ("/v1/recordings", "streams"),
    ("/v1/models", "models"),
    ("/api/models", "models"),
    ("/api/me", "models"),
    ("/api/", "control"),
    ("/metrics", "control"),
)


def route_word(path: str) -> str:
    """Return the kind of a route, as scopes of keys name them."""
    return next((word for start, word in _WORDS if path.startswith(start)), "control")
