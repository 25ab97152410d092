/** What the control API tells, in its own words. Times are seconds of Unix time. */

export type Capture = "none" | "metadata" | "content";

export interface WorkspaceSettings {
  default_model: string;
  default_provider: string;
  allowed_models: string[];
  caching: boolean;
  capture: Capture;
  retention_days: number | null;
  currency: string;
}

export interface Workspace {
  id: string;
  organisation_id: string;
  slug: string;
  name: string;
  description: string;
  settings: WorkspaceSettings;
  is_template: boolean;
  created_at: number;
  archived_at: number | null;
  version: number;
}

export interface Member {
  workspace_id: string;
  user_id: string;
  role: string;
  source: "hand" | "groups";
  created_at: number;
  version: number;
}

export interface User {
  id: string;
  organisation_id: string;
  kind: "person" | "service";
  email: string | null;
  name: string;
  role: string;
  current_workspace_id: string | null;
  created_at: number;
  last_sign_in_at: number | null;
  disabled_at: number | null;
  version: number;
}

export interface Role {
  id: string | null;
  organisation_id: string | null;
  name: string;
  permissions: string[];
  version: number | null;
}

/** Somebody who may come in by a link. */
export interface Invitation {
  id: string;
  organisation_id: string;
  workspace_id: string | null;
  email: string;
  role: string;
  state: "open" | "accepted" | "revoked" | "expired";
  created_at: number;
  expires_at: number;
  version: number;
}

/** An invitation as it is told once, with what the link is made of. */
export interface NewInvitation extends Invitation {
  token: string;
  path: string;
}

export interface KeyScopes {
  models: string[];
  routes: string[];
  addresses: string[];
  permissions: string[];
}

export interface Key {
  id: string;
  organisation_id: string;
  workspace_id: string;
  user_id: string | null;
  name: string;
  shown: string;
  scopes: KeyScopes;
  tags: Record<string, string>;
  priority: "low" | "normal" | "high";
  created_at: number;
  expires_at: number | null;
  revoked_at: number | null;
  rotated_to: string | null;
  first_used_at: number | null;
  last_used_at: number | null;
  version: number;
}

/** A key as it is told once, with the key itself. */
export interface NewKey extends Key {
  key: string;
}
