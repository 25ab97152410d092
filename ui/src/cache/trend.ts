import type { CacheStats, Minute, Tier } from "@/control/cache";
import type { Stacks } from "@/usage/stacks";

const MINUTE = 60;
export const MINUTES = 60;

/** What is no tier: answers of calls that were joined, and the like. */
export const OTHERS = "others";

/** The beginnings of the last minutes, up to the one of a moment. */
function startsTo(now: number): number[] {
  const last = Math.floor(now / MINUTE) * MINUTE;
  return Array.from({ length: MINUTES }, (_, place) => last - (MINUTES - 1 - place) * MINUTE);
}

/** Calls of the last hour by who answered them: each tier, whatever else, and nobody, which is null. */
export function callsOver({ trend, tiers }: Pick<CacheStats, "trend" | "tiers">, now: number): Stacks {
  const starts = startsTo(now);
  const first = starts[0] ?? now;
  const names = tiers.map(({ name }) => name);
  const found = tiers.map((tier) => new Map(tier.trend.map(({ at, hits }) => [at, hits])));
  const whole = new Map(trend.filter(({ at }) => at >= first).map((minute) => [minute.at, minute]));
  const stacks = starts.map((start) => {
    const minute = whole.get(start);
    const byTier = found.map((hits) => (minute ? (hits.get(start) ?? 0) : 0));
    const others = Math.max(0, (minute?.hits ?? 0) - byTier.reduce((sum, hits) => sum + hits, 0));
    const parts = [...byTier, others, minute?.misses ?? 0];
    return { start, parts, total: parts.reduce((sum, part) => sum + part, 0) };
  });
  const series = [...names, OTHERS, null].map((value, place) => ({
    value,
    total: stacks.reduce((sum, { parts }) => sum + (parts[place] ?? 0), 0),
  }));
  return { series, stacks, most: Math.max(0, ...stacks.map(({ total }) => total)) };
}

/** The share of looks that found something, for each minute in which there was one, lately. */
export function ratesOf(trend: readonly Minute[], now: number): number[] {
  return trend
    .filter(({ at, hits, misses }) => at > now - (MINUTES + 1) * MINUTE && hits + misses > 0)
    .map(({ hits, misses }) => hits / (hits + misses));
}

/** How much of its room a tier takes up, from 0 to 1; undefined where that is not known. */
export function fullnessOf({ bytes, max_bytes: room }: Pick<Tier, "bytes" | "max_bytes">): number | undefined {
  return bytes === null || room === null || room <= 0 ? undefined : Math.min(1, bytes / room);
}
