import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { call, type Part, type Query, withQuery } from "./call";
import type { Dimension, Filters, Step } from "./dimensions";

export type { Dimension, Filters, Step };

/** What was used. Money is exact as text; microdollars are for drawing it. */
export interface Sums {
  requests: number;
  attempts: number;
  failures: number;
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  reasoning_tokens: number;
  images: number;
  audio_ms: number;
  cost_usd: string;
  cost_microusd: number;
  saved_usd: string;
  /** By the caches of prompts that providers have, less what writing to them cost more. */
  provider_cache_saved_usd: string;
  estimated_attempts: number;
  estimated_cost_usd: string;
  unpriced_tokens: number;
  unpriced_attempts: number;
}

export interface UsageRow extends Sums {
  /** When the period began, in seconds of Unix time; null where none was asked for. */
  start_at: number | null;
  /** The value of each dimension that was asked for. */
  by: Partial<Record<Dimension, string>>;
}

export interface UsageAnswer {
  rows: UsageRow[];
  total: Sums;
}

export interface Forecast {
  method: "weekday_means" | "rate";
  history_days: number;
  spent_usd: string;
  expected_usd: string;
  low_usd: string | null;
  high_usd: string | null;
}

export interface Asked {
  from: number;
  to: number;
  by?: Dimension;
  step?: Step;
  filters: Filters;
  /** Of whom; none for all that the caller may see. */
  organisationId: string | undefined;
}

const PARAMETERS: Partial<Record<Dimension, string>> = { workspace: "workspace_id", user: "user_id", key: "key_id" };

/** The query of a question, in the words of the API. An empty value is one too: calls that have none. */
export function queryOf({ filters, organisationId }: Pick<Asked, "filters" | "organisationId">): Query {
  const query: Query = filters.workspace ? {} : { organisation_id: organisationId };
  for (const [dimension, value] of Object.entries(filters) as [Dimension, string][]) {
    query[PARAMETERS[dimension] ?? dimension] = [value];
  }
  return query;
}

function whole(asked: Asked): Query {
  return { from: asked.from, to: asked.to, by: asked.by, period: asked.step, ...queryOf(asked) };
}

const PART = 1_000;
const PARTS_AT_MOST = 20;

async function read(asked: Asked, signal: AbortSignal): Promise<UsageAnswer> {
  const rows: UsageRow[] = [];
  let after: string | null = null;
  for (let part = 1; ; part++) {
    const path: string = withQuery("/api/usage", { ...whole(asked), limit: PART, after });
    const told: Part<UsageRow> & { total: Sums } = await call(path, { signal });
    rows.push(...told.data);
    if (!told.has_more || part === PARTS_AT_MOST) return { rows, total: told.total };
    after = told.next;
  }
}

const CALM_MS = 30_000;

export const usageQuery = (asked: Asked) =>
  queryOptions({
    queryKey: ["usage", asked],
    queryFn: ({ signal }) => read(asked, signal),
    placeholderData: keepPreviousData,
    refetchInterval: CALM_MS,
  });

export const forecastQuery = (asked: Pick<Asked, "filters" | "organisationId">) =>
  queryOptions({
    queryKey: ["forecast", asked],
    queryFn: ({ signal }) =>
      call<Forecast>(withQuery("/api/usage/forecast", { period: "month", ...queryOf(asked) }), { signal }),
    staleTime: 60_000,
  });

/** Where what is shown can be had as a table for other programs. */
export const exportPath = (asked: Asked): string =>
  withQuery("/api/usage/export", { what: "usage", format: "csv", ...whole(asked) });

export const NOTHING: Sums = {
  requests: 0,
  attempts: 0,
  failures: 0,
  input_tokens: 0,
  output_tokens: 0,
  cache_read_tokens: 0,
  reasoning_tokens: 0,
  images: 0,
  audio_ms: 0,
  cost_usd: "0",
  cost_microusd: 0,
  saved_usd: "0",
  provider_cache_saved_usd: "0",
  estimated_attempts: 0,
  estimated_cost_usd: "0",
  unpriced_tokens: 0,
  unpriced_attempts: 0,
};
