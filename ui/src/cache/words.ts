import type { CacheStats, Category, Entry, Standing } from "@/control/cache";
import { exactText, picodollars } from "@/lib/decimals";
import { formatCompact } from "@/lib/format";

export interface Told {
  name: string;
  /** What it means, and what can be done about it. */
  note: string;
}

/** How an answer was given again. */
const KINDS: Record<string, Told> = {
  hit: { name: "Fresh", note: "Kept before, and given as it is." },
  joined: { name: "Joined a call under way", note: "Asked the same at the same time: one call went out for all." },
  stale: { name: "Stale", note: "Given while a new one is fetched behind it." },
  error: { name: "In place of an error", note: "The provider failed, and an older answer stood in." },
  semantic: { name: "Same meaning", note: "Asked before in other words." },
  similar: {
    name: "Similar, in place of an error",
    note: "The provider failed, and a like question's answer stood in.",
  },
  prefetched: { name: "Fetched beforehand", note: "Answered before it was asked." },
};

/** Why a call was not answered, and what would have it be. */
const REASONS: Record<string, Told> = {
  absent: {
    name: "Not kept",
    note: "Nothing lay under its key: it was asked for the first time, or with other words or parameters, or was evicted.",
  },
  expired: { name: "Expired", note: "What was kept is too old by now: a longer `ttl_s` keeps it for longer." },
  void: { name: "Declared void", note: "It was cleared or invalidated since." },
  refresh: {
    name: "Asked anew",
    note: "The call itself asked for a new answer: `x-narthex-cache: refresh` or `no-cache`.",
  },
  "too old": { name: "Older than asked for", note: "The call set `max-age` or `min-fresh` in `Cache-Control`." },
  damaged: { name: "Damaged", note: "What was kept cannot be read; the server's log says more." },
};

/** Why an answer was not kept. */
const REFUSALS: Record<string, Told> = {
  length: { name: "Cut at its limit of tokens", note: "It is not whole: a higher `max_tokens` lets it end." },
  content_filter: { name: "Filtered", note: "The provider held something of it back." },
  tool_calls: { name: "Asks for a tool", note: "`cache.tool_calls` keeps such answers where that does no harm." },
  refusal: { name: "Declined", note: "The model declined to answer." },
  content: { name: "Not text alone", note: "It holds what cannot be kept." },
  empty: { name: "Empty", note: "It says nothing." },
  broken: { name: "Broken off", note: "It came to no end." },
  rescued: { name: "Ended by another model", note: "Its own broke off." },
  "not passed": { name: "Not passed", note: "The check of a cascade did not let it through." },
  unreadable: { name: "Unreadable", note: "It is not what its dialect says it is." },
  "too large": { name: "Too large", note: "Beyond `cache.max_entry_bytes`." },
  "another model": {
    name: "Of another model",
    note: "Of a fallback: it is not kept under the name that was asked for.",
  },
  void: { name: "Void before its end", note: "It was cleared or invalidated while it was written." },
};

const CATEGORIES: Record<string, string> = {
  code: "Code",
  howto: "How to do something",
  fact: "Facts",
  choice: "Choices",
  order: "Orders to do something",
  other: "Others",
};

export function categoryName(category: string): string {
  return CATEGORIES[category] ?? category;
}

/** Why the answer to a question of the same meaning was not given. */
const MEANINGS: Record<string, string> = {
  unfit: "no other question may ever answer it",
  "no vector": "the embedding model did not answer in time",
  "nothing near": "nothing like it was asked",
  unlikely: "the nearest is not likely enough to mean the same",
  unsure: "the nearest is not sure enough to mean the same",
  judged: "the nearest was found to be another question",
  unadmitted: "the nearest is somebody else's, whom nobody has vouched for",
  closed: "its category is closed",
  gone: "the answer to the nearest is gone",
  "too old": "the answer to the nearest is too old",
  damaged: "the answer to the nearest is damaged",
  "asked already": "the very same is under way",
};

/** "the nearest differs in a number (0.94 alike)" */
export function meaningText(why: string, similarity: number | null): string {
  const said = MEANINGS[why] ?? `the nearest differs in: ${why}`;
  return similarity === null ? said : `${said} (${similarity.toFixed(2)} alike)`;
}

/** Whether samples show that a category keeps within its bound. */
export function boundOf(
  { samples, wrong, highest_error: highest, closed }: Category,
  bound: number,
): { text: string; note: string; tone: "good" | "warn" | "bad" | "plain" } {
  const note = samples === null ? "" : `${wrong ?? 0} wrong of ${formatCompact(samples)} sampled`;
  if (samples === null) return { text: "Not told", note: "To whoever runs this server", tone: "plain" };
  if (highest === null || samples === 0) return { text: "Not known yet", note, tone: "plain" };
  const tone = closed ? "bad" : highest <= bound ? "good" : "warn";
  return { text: `at most ${rateText(highest)}`, note, tone };
}

const told =
  (table: Record<string, Told>) =>
  (word: string): Told =>
    table[word] ?? { name: word.replaceAll("_", " "), note: "" };

export const kindOf = told(KINDS);
export const reasonOf = told(REASONS);
export const refusalOf = told(REFUSALS);

const TIERS: Record<string, string> = {
  memory: "Memory",
  redis: "Redis",
  sqlite: "SQLite",
  postgresql: "PostgreSQL",
};

export function tierName(name: string): string {
  return TIERS[name] ?? name;
}

export const STANDINGS: Record<Standing, { name: string; tone: "good" | "warn" | "plain"; note: string }> = {
  fresh: { name: "Fresh", tone: "good", note: "It is given as it is." },
  stale: { name: "Stale", tone: "warn", note: "It is given while a new one is fetched." },
  "for errors": { name: "For errors", tone: "plain", note: "It stands in only where a new one cannot be had." },
  gone: { name: "Over", tone: "plain", note: "It is not given any more." },
};

export const SHARED = {
  workspace: "everybody in the workspace",
  key: "one key",
  user: "one end user",
} as const;

/** 84.2 %, 100 %, 0 % */
export function rateText(rate: number | null): string {
  if (rate === null) return "–";
  const percent = rate * 100;
  return percent === 0 || percent === 100 ? `${percent} %` : `${Math.min(99.9, Math.max(0.1, percent)).toFixed(1)} %`;
}

/** 3.1 µs, 412 µs, 2.4 ms; what is not known is a dash. */
export function latencyText(microseconds: number | null): string {
  if (microseconds === null) return "–";
  if (microseconds < 1_000) return `${microseconds.toFixed(microseconds < 10 ? 1 : 0)} µs`;
  const milliseconds = microseconds / 1_000;
  return `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;
}

/** 42 s, 12 min, 3 h, 2 days: whole ones. */
export function spanText(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  const days = Math.floor(seconds / 86_400);
  return days === 1 ? "1 day" : `${days} days`;
}

export function removedText(removed: number): string {
  if (removed === 0) return "Nothing of that lay in memory. What lies elsewhere is not given any more either.";
  const answers = removed === 1 ? "1 answer" : `${formatCompact(removed)} answers`;
  return `${answers} let go of.`;
}

/** What has calls be answered from the cache, by its mode. */
export function howToBegin(mode: CacheStats["mode"]): string {
  if (mode === "asked") return "Ask with the header `x-narthex-cache: on`, twice the same; the second time it is here.";
  if (mode === "all") return "Ask any model the same thing twice; the second time it is here.";
  return "Ask the same thing twice with `temperature` 0, or with the header `x-narthex-cache: on`; the second time it is here.";
}

/** The counts of a table, the largest first. */
export function ranked(counts: Record<string, number>): [string, number][] {
  return Object.entries(counts).toSorted(([, one], [, other]) => other - one);
}

/** What was saved by all its uses, exactly. */
export function savedBy({ uses, cost_usd }: Pick<Entry, "uses" | "cost_usd">): string {
  return exactText(picodollars(cost_usd) * BigInt(uses));
}
