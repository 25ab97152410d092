import type { Limit } from "./limits";
import type { Key, Workspace } from "./types";

/** A workspace for tests, with what a test says of it. */
export function aWorkspace(said: Partial<Workspace> = {}): Workspace {
  return {
    id: "ws_a",
    organisation_id: "org_default",
    slug: "a",
    name: "A",
    description: "",
    settings: {
      default_model: "",
      default_provider: "",
      allowed_models: [],
      caching: true,
      capture: "metadata",
      retention_days: null,
      currency: "USD",
    },
    is_template: false,
    created_at: 1_700_000_000,
    archived_at: null,
    version: 1,
    ...said,
  };
}

/** A key for tests, with what a test says of it. */
export function aKey(said: Partial<Key> = {}): Key {
  return {
    id: "key_a",
    organisation_id: "org_default",
    workspace_id: "ws_a",
    user_id: null,
    name: "A",
    shown: "nx-abcd",
    scopes: { models: [], routes: [], addresses: [], permissions: [] },
    tags: {},
    priority: "normal",
    created_at: 1_700_000_000,
    expires_at: null,
    revoked_at: null,
    rotated_to: null,
    first_used_at: null,
    last_used_at: null,
    version: 1,
    ...said,
  };
}

/** A limit for tests, with what a test says of it. */
export function aLimit(said: Partial<Limit> = {}): Limit {
  return {
    id: "lim_a",
    organisation_id: "org_default",
    workspace_id: "ws_a",
    subject_kind: "workspace",
    subject: "ws_a",
    measure: "requests",
    period: "minute",
    window: "calendar",
    amount: 60,
    amount_usd: null,
    burst: null,
    hard: true,
    alert_percents: [],
    enabled: true,
    created_at: 1_700_000_000,
    version: 1,
    ...said,
  };
}
