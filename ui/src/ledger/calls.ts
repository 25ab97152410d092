import type { LedgerEntry } from "@/control/ledger";
import { exactText, picodollars } from "@/lib/decimals";

/** All entries of one request that are shown, and what they come to. */
export interface LedgerCall {
  requestId: string;
  /** The entry that stands for it: the one that brought the answer, or else the last. */
  main: LedgerEntry;
  entries: LedgerEntry[];
  inputTokens: number;
  outputTokens: number;
  /** Exact; null if none of it has a price. */
  costUsd: string | null;
  savedUsd: string;
  estimated: boolean;
  /** Whether something of it has no price, and is not in the cost. */
  unpriced: boolean;
}

/** Calls of entries, which are told newest first; each call where its first entry stands. */
export function callsOf(entries: readonly LedgerEntry[]): LedgerCall[] {
  const found = new Map<string, LedgerEntry[]>();
  for (const entry of entries) {
    const name = entry.request_id || entry.id;
    const known = found.get(name);
    if (known) known.push(entry);
    else found.set(name, [entry]);
  }
  return [...found.values()].map(callOf);
}

export function callOf(entries: LedgerEntry[]): LedgerCall {
  const main = entries.find(({ requests }) => requests === 1) ?? (entries[0] as LedgerEntry);
  const costs = entries.flatMap(({ cost_usd }) => (cost_usd === null ? [] : [cost_usd]));
  return {
    requestId: main.request_id,
    main,
    entries,
    inputTokens: entries.reduce((sum, entry) => sum + entry.input_tokens, 0),
    outputTokens: entries.reduce((sum, entry) => sum + entry.output_tokens, 0),
    costUsd: costs.length === 0 ? null : sumOf(costs),
    savedUsd: sumOf(entries.map(({ saved_usd }) => saved_usd)),
    estimated: entries.some(({ estimated }) => estimated),
    unpriced: entries.some((entry) => entry.cost_usd === null && entry.input_tokens + entry.output_tokens > 0),
  };
}

function sumOf(amounts: readonly string[]): string {
  return exactText(amounts.reduce((sum, amount) => sum + picodollars(amount), 0n));
}

/** The calls that are whole: while older entries are to come, the last one may not be. */
export function wholeCalls(entries: readonly LedgerEntry[], hasMore: boolean): LedgerCall[] {
  const calls = callsOf(entries);
  return hasMore && calls.length > 1 ? calls.slice(0, -1) : calls;
}
