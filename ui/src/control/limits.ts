import { queryOptions } from "@tanstack/react-query";
import { call, callForAll } from "./call";

export type SubjectKind = "organisation" | "workspace" | "member" | "key" | "model" | "tag" | "end_user";
export type Measure =
  | "requests"
  | "input_tokens"
  | "output_tokens"
  | "tokens"
  | "cost_microusd"
  | "parallel"
  | "storage_bytes"
  | "documents"
  | "collaborators"
  | "tasks";
export type Period = "second" | "minute" | "hour" | "day" | "week" | "month" | "total";
export type Window = "calendar" | "rolling";

export interface Limit {
  id: string;
  organisation_id: string;
  /** null where it concerns all of the organisation. */
  workspace_id: string | null;
  subject_kind: SubjectKind;
  subject: string;
  measure: Measure;
  period: Period;
  window: Window;
  amount: number;
  amount_usd: string | null;
  burst: number | null;
  hard: boolean;
  alert_percents: number[];
  enabled: boolean;
  created_at: number;
  version: number;
}

/** What one of those whom a limit concerns has used of it. */
export interface LimitUsage {
  limit_id: string;
  workspace_id: string | null;
  subject_kind: SubjectKind;
  subject: string;
  measure: Measure;
  period: Period;
  amount: number;
  used: number;
  /** By calls under way. */
  reserved: number;
  /** In milliseconds of Unix time; null where no time brings that. */
  resets_at: number | null;
}

export interface Alert {
  id: string;
  limit_id: string;
  workspace_id: string | null;
  percent: number;
  used: number;
  amount: number;
  /** In milliseconds of Unix time. */
  period_start: number;
  at: number;
}

export interface LimitChange {
  period: Period;
  window: Window;
  amount: number;
  burst: number | null;
  hard: boolean;
  alert_percents: number[];
  enabled: boolean;
}

export interface LimitWish extends LimitChange {
  workspace_id: string | null;
  subject_kind: SubjectKind;
  subject: string;
  measure: Measure;
}

const LIVE_MS = 2_000;
const CALM_MS = 15_000;

export const limitsQuery = queryOptions({
  queryKey: ["limits", "all"],
  queryFn: ({ signal }) => callForAll<Limit>("/api/limits", {}, signal),
});

export const limitUsageQuery = queryOptions({
  queryKey: ["limits", "usage"],
  queryFn: ({ signal }) => callForAll<LimitUsage>("/api/limits/usage", {}, signal),
  refetchInterval: LIVE_MS,
});

export const alertsQuery = queryOptions({
  queryKey: ["limits", "alerts"],
  queryFn: ({ signal }) => callForAll<Alert>("/api/alerts", {}, signal),
  refetchInterval: CALM_MS,
});

const at = (id: string) => `/api/limits/${encodeURIComponent(id)}`;

export const createLimit = (body: LimitWish) => call<Limit>("/api/limits", { method: "POST", body });

export const updateLimit = ({ id, version }: Limit, body: LimitChange) =>
  call<Limit>(at(id), { method: "PATCH", body, version });

export const deleteLimit = ({ id, version }: Limit) => call<void>(at(id), { method: "DELETE", version });
