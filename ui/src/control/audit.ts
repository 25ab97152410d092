import { infiniteQueryOptions } from "@tanstack/react-query";
import { call, type Part, type Query, withQuery } from "./call";

export type Outcome = "ok" | "denied" | "failed";

export interface AuditEntry {
  /** Its number in the chain. */
  seq: number;
  /** In milliseconds of Unix time. */
  at: number;
  /** ID of a user or key, `local`, `cli` or `system`. */
  actor: string;
  action: string;
  target: string;
  organisation_id: string;
  workspace_id: string;
  outcome: Outcome;
  request_id: string;
  details: Record<string, unknown>;
}

export interface AuditFilters {
  action: string;
  outcome: string;
  /** Of whom; none for everybody. */
  actor: string;
  workspaceId: string;
  /** In seconds of Unix time. */
  since: number | undefined;
}

function queryOf({ action, outcome, actor, workspaceId, since }: AuditFilters): Query {
  return { action, outcome, actor, workspace_id: workspaceId, since };
}

const PART = 50;

/** The newest entries first; more of them part by part. */
export const auditQuery = (filters: AuditFilters) =>
  infiniteQueryOptions({
    queryKey: ["audit", filters],
    queryFn: ({ pageParam, signal }) =>
      call<Part<AuditEntry>>(withQuery("/api/audit", { ...queryOf(filters), limit: PART, after: pageParam }), {
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: ({ next }) => next,
  });

export const auditExportPath = (filters: AuditFilters): string => withQuery("/api/audit/export", queryOf(filters));
