import { authHeaders } from "./credentials";
import { failureOf, unreachable } from "./failures";

export type HealthStatus = "ok" | "loading" | "idle" | "degraded" | "down" | "unknown";

export interface Health {
  status: HealthStatus;
  detail: string | null;
  checked_at?: number | null;
}

export interface Model {
  name: string;
  id: string;
  provider: string;
  capabilities: string[];
  context_tokens: number | null;
  max_output_tokens: number | null;
  dimensions: number | null;
  aliases: string[];
  description: string | null;
  health: Health;
}

export interface ProviderKey {
  id: string;
  state: "usable" | "cooling" | "retired" | "probing";
  reason: string | null;
  usable_in_s: number | null;
  by_hand: boolean;
  ends: string;
}

export interface Provider {
  name: string;
  kind: string;
  base_url: string | null;
  models: number;
  health: Health;
  keys?: ProviderKey[];
}

export interface Embedded {
  installed: boolean;
  loaded: boolean;
  model: string | null;
  progress: number | null;
  detail: string | null;
}

export interface SystemStatus {
  version: string;
  status: "ok" | "degraded" | "stopping";
  started_at: number;
  uptime_s: number;
  pid: number;
  python: string;
  platform: string;
  address: string;
  auth_required: boolean;
  default_model: string;
  data_dir: string;
  memory_bytes: number;
  requests: { active: number; total: number; failed: number };
  tokens: { input: number; output: number };
  providers: Provider[];
  embedded: Embedded;
}

async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await fetch(path, { headers: authHeaders(), signal: signal ?? null }).catch((error: unknown) => {
    throw signal?.aborted ? error : unreachable();
  });
  if (!response.ok) throw await failureOf(response);
  return (await response.json()) as T;
}

export async function fetchModels(signal?: AbortSignal): Promise<Model[]> {
  return (await get<{ data: Model[] }>("/api/models", signal)).data;
}

export function fetchStatus(signal?: AbortSignal): Promise<SystemStatus> {
  return get<SystemStatus>("/api/system/status", signal);
}
