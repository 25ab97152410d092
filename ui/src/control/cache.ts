import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { call, type Part, withQuery } from "./call";

/** What was not spent; money is exact as text. */
export interface Saved {
  input_tokens: number;
  output_tokens: number;
  usd: string;
}

export interface Minute {
  /** Its beginning, in seconds of Unix time. */
  at: number;
  hits: number;
  misses: number;
}

export interface Tier {
  name: string;
  hits: number;
  misses: number;
  hit_rate: number | null;
  latency_p50_us: number | null;
  latency_p99_us: number | null;
  /** null where that is not counted. */
  bytes: number | null;
  max_bytes: number | null;
  entries: number | null;
  /** null for whoever does not run this server. */
  evicted: number | null;
  saved: Saved;
  trend: Minute[];
}

export type Standing = "fresh" | "stale" | "for errors" | "gone";

/** An answer that is kept, without what it says. */
export interface Entry {
  key: string;
  model: string;
  workspace_id: string;
  shared_by: "workspace" | "key" | "user";
  state: Standing;
  uses: number;
  bytes: number;
  age_s: number;
  fresh_s: number;
  input_tokens: number;
  output_tokens: number;
  cost_usd: string;
  tags: string[];
  request_id: string;
}

/** A call that was not answered from the cache. */
export interface Miss {
  request_id: string;
  reason: string;
  model: string;
  /** In seconds of Unix time. */
  at: number;
  key: string;
  /** Why the answer to a question of the same meaning was not given either; null where none was looked for. */
  semantic: string | null;
  /** Of the nearest question. */
  similarity: number | null;
}

/** Questions of one kind, and how often another one's answer served. */
export interface Category {
  category: string;
  looks: number;
  hits: number;
  /** Whether too many of its answers were found wrong. */
  closed: boolean;
  /** How likely it must be that the same answer is wanted; null where it is never likely enough. */
  least_probability: number | null;
  /** null for whoever does not run this server, like all that follows. */
  samples: number | null;
  wrong: number | null;
  /** The share of wrong answers that is exceeded with a probability of 5 % at most. */
  highest_error: number | null;
}

/** How answers to questions that mean the same do. */
export interface SemanticStats {
  embedding_model: string;
  embedding_off: boolean;
  /** The largest share of its answers that may be wrong, in each category. */
  error_bound: number;
  questions: number | null;
  bytes: number | null;
  waiting_for_judge: number | null;
  categories: Category[];
}

export interface Fall {
  hit_rate: number;
  usual_hit_rate: number;
  calls: number;
}

export interface CacheStats {
  enabled: boolean;
  mode: "off" | "asked" | "deterministic" | "all";
  /** Whether it is of all workspaces. */
  everything: boolean;
  /** In seconds of Unix time. */
  since: number;
  hits: Record<string, number>;
  misses: Record<string, number>;
  refused: Record<string, number>;
  stored: number;
  hit_rate: number | null;
  fall: Fall | null;
  saved: Saved;
  tiers: Tier[];
  trend: Minute[];
  top: Entry[];
  /** null where no question is answered by another's answer. */
  semantic: SemanticStats | null;
}

/** What became of one of the requests that were to be answered beforehand. */
export interface Warmed {
  index: number;
  request_id: string;
  status: "kept" | "not kept" | "failed";
  code: string | null;
  message: string | null;
}

export interface Warming {
  kept: number;
  not_kept: number;
  failed: number;
  data: Warmed[];
}

export interface VoidWish {
  keys: string[];
  tags: string[];
  models: string[];
  everything: boolean;
}

export interface WarmWish {
  requests: unknown[];
  tags: string[];
  ttl_s: number | null;
}

export interface Sought {
  model: string;
  tag: string;
}

const LIVE_MS = 3_000;
const CALM_MS = 5_000;
const PART = 25;

/** Who has gone back to older ones reads, and is not disturbed. */
const calmly = ({ state }: { state: { data?: { pages: unknown[] } | undefined } }) =>
  state.data && state.data.pages.length > 1 ? false : CALM_MS;

export const cacheStatsQuery = queryOptions({
  queryKey: ["cache", "stats"],
  queryFn: ({ signal }) => call<CacheStats>("/api/cache/stats", { signal }),
  refetchInterval: LIVE_MS,
});

/** Why the latest calls were not answered from the cache, or why one of them was not. */
export const missesQuery = (requestId: string) =>
  infiniteQueryOptions({
    queryKey: ["cache", "misses", requestId],
    queryFn: ({ pageParam, signal }) =>
      call<Part<Miss>>(
        withQuery("/api/cache/misses", requestId ? { request_id: requestId } : { limit: PART, after: pageParam }),
        { signal },
      ),
    initialPageParam: "",
    getNextPageParam: ({ next }) => next,
    refetchInterval: calmly,
    placeholderData: keepPreviousData,
  });

/** What lies in memory, the latest first. */
export const entriesQuery = (sought: Sought) =>
  infiniteQueryOptions({
    queryKey: ["cache", "entries", sought],
    queryFn: ({ pageParam, signal }) =>
      call<Part<Entry>>(withQuery("/api/cache/entries", { ...sought, limit: PART, after: pageParam }), { signal }),
    initialPageParam: "",
    getNextPageParam: ({ next }) => next,
    refetchInterval: calmly,
    placeholderData: keepPreviousData,
  });

const at = (key: string) => `/api/cache/entries/${encodeURIComponent(key)}`;

/** What an answer says: reading it leaves an entry in the audit log, hence it is asked for once. */
export const contentQuery = (key: string) =>
  queryOptions({
    queryKey: ["cache-content", key],
    queryFn: ({ signal }) => call<Entry & { content: unknown }>(withQuery(at(key), { content: true }), { signal }),
    select: ({ content }) => content,
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });

export const deleteEntry = (key: string) => call<void>(at(key), { method: "DELETE" });

export const clearCache = (everything: boolean) =>
  call<{ removed: number }>("/api/cache/clear", { method: "POST", body: { everything } });

export const invalidateCache = (body: VoidWish) =>
  call<{ removed: number }>("/api/cache/invalidate", { method: "POST", body });

export const warmCache = (body: WarmWish) => call<Warming>("/api/cache/warm", { method: "POST", body });

export const reopenCategory = (category: string) =>
  call<void>("/api/cache/reopen", { method: "POST", body: { category } });
