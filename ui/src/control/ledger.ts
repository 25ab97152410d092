import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { call, type Part, withQuery } from "./call";
import { type Asked, queryOf } from "./usage";

export type EntryStatus = "settled" | "cut" | "failed" | "released" | "interrupted";

/** What one attempt at a call consumed, and who pays for it. Money is exact as text. */
export interface LedgerEntry {
  id: string;
  created_at_ms: number;
  kind: string;
  status: EntryStatus;
  request_id: string;
  /** Its number among the attempts, from 0. */
  attempt: number;
  way: string;
  workspace_id: string;
  user_id: string;
  key_id: string;
  end_user: string;
  tags: string[];
  operation: string;
  surface: string;
  model: string;
  model_asked: string;
  /** `ok`, or what went wrong. */
  code: string;
  /** 1 for the entry that stands for the whole call. */
  requests: number;
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  reasoning_tokens: number;
  images: number;
  audio_ms: number;
  estimated: boolean;
  /** Null where no price is known. */
  cost_usd: string | null;
  saved_usd: string;
  duration_ms: number;
}

export interface EntriesAsked extends Pick<Asked, "from" | "to" | "filters" | "organisationId"> {
  /** ID of the one request that is looked for; empty for all. */
  request: string;
}

const query = ({ from, to, request, ...rest }: EntriesAsked) => ({
  ...queryOf(rest),
  from: request ? undefined : from,
  to: request ? undefined : to,
  request_id: request,
});

const PART = 100;
const CALM_MS = 15_000;

/** The newest entries first; more of them part by part. */
export const entriesQuery = (asked: EntriesAsked) =>
  infiniteQueryOptions({
    queryKey: ["ledger", asked],
    queryFn: ({ pageParam, signal }) =>
      call<Part<LedgerEntry>>(withQuery("/api/ledger/entries", { ...query(asked), limit: PART, after: pageParam }), {
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: ({ next }) => next,
    // Who has gone back to older ones reads, and is not disturbed.
    refetchInterval: ({ state }) => (state.data && state.data.pages.length > 1 ? false : CALM_MS),
  });

/** All that the ledger has of one call, whatever the filters. */
export const callQuery = (requestId: string, { organisationId, filters }: EntriesAsked) =>
  queryOptions({
    queryKey: ["ledger", "call", requestId, organisationId, filters.workspace],
    queryFn: ({ signal }) => {
      const place = queryOf({ organisationId, filters: filters.workspace ? { workspace: filters.workspace } : {} });
      const path = withQuery("/api/ledger/entries", { ...place, request_id: requestId, limit: PART });
      return call<Part<LedgerEntry>>(path, { signal });
    },
    select: ({ data }) => data.toReversed(),
  });

export const entriesPath = (asked: EntriesAsked): string =>
  withQuery("/api/usage/export", { what: "entries", format: "csv", ...query(asked) });
