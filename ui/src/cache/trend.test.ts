import { expect, test } from "vitest";
import type { Tier } from "@/control/cache";
import { callsOver, fullnessOf, MINUTES, OTHERS, ratesOf } from "./trend";

const NOW = 36_030;
const THIS_MINUTE = 36_000;

function aTier(said: Partial<Tier>): Tier {
  return {
    name: "memory",
    hits: 0,
    misses: 0,
    hit_rate: null,
    latency_p50_us: null,
    latency_p99_us: null,
    bytes: null,
    max_bytes: null,
    entries: null,
    evicted: null,
    saved: { input_tokens: 0, output_tokens: 0, usd: "0" },
    trend: [],
    ...said,
  };
}

test("calls stand over the hour by who answered them, quiet minutes too", () => {
  const data = callsOver(
    {
      trend: [
        { at: THIS_MINUTE - 7_200, hits: 9, misses: 9 },
        { at: THIS_MINUTE - 120, hits: 5, misses: 2 },
        { at: THIS_MINUTE, hits: 1, misses: 0 },
      ],
      tiers: [
        aTier({
          trend: [
            { at: THIS_MINUTE - 120, hits: 3, misses: 3 },
            { at: THIS_MINUTE, hits: 1, misses: 0 },
          ],
        }),
        aTier({ name: "redis", trend: [{ at: THIS_MINUTE - 120, hits: 1, misses: 2 }] }),
      ],
    },
    NOW,
  );
  expect(data.series).toEqual([
    { value: "memory", total: 4 },
    { value: "redis", total: 1 },
    { value: OTHERS, total: 1 },
    { value: null, total: 2 },
  ]);
  expect(data.stacks).toHaveLength(MINUTES);
  expect(data.stacks.at(-3)).toEqual({ start: THIS_MINUTE - 120, parts: [3, 1, 1, 2], total: 7 });
  expect(data.stacks.at(-2)?.total).toBe(0);
  expect(data.stacks.at(-1)?.parts).toEqual([1, 0, 0, 0]);
  expect(data.most).toBe(7);
});

test("rates are of minutes in which something was looked for, lately", () => {
  const minute = (ago: number, hits: number, misses: number) => ({ at: THIS_MINUTE - ago * 60, hits, misses });
  expect(ratesOf([minute(90, 1, 0), minute(3, 1, 3), minute(2, 0, 0), minute(1, 2, 0)], NOW)).toEqual([0.25, 1]);
});

test("how full a tier is, where that is known", () => {
  expect(fullnessOf({ bytes: 1, max_bytes: null })).toBeUndefined();
  expect(fullnessOf({ bytes: 30, max_bytes: 120 })).toBe(0.25);
  expect(fullnessOf({ bytes: 130, max_bytes: 120 })).toBe(1);
});
