import { describe, expect, test } from "vitest";
import { NOTHING, type UsageRow } from "@/control/usage";
import { amountOf, nextOf, shareOf, stacksOf, startOf, startsOf, TOLD_APART, ticksOf } from "./stacks";

const DAY = 86_400;
const row = (start: number, value: string, dollars: number, more: Partial<UsageRow> = {}): UsageRow => ({
  ...NOTHING,
  start_at: start,
  by: { model: value },
  cost_microusd: dollars * 1_000_000,
  requests: 1,
  ...more,
});

test("an amount is money, tokens or requests", () => {
  const sums = { ...NOTHING, cost_microusd: 2_500_000, input_tokens: 3, output_tokens: 4, requests: 5 };
  expect([amountOf(sums, "cost"), amountOf(sums, "tokens"), amountOf(sums, "requests")]).toEqual([2.5, 7, 5]);
});

describe("stacks", () => {
  test("the largest value stands first, and every period has its place", () => {
    const { series, stacks, most } = stacksOf([row(0, "a", 1), row(DAY, "a", 1), row(DAY, "b", 5)], "model", "cost", [
      0,
      DAY,
      2 * DAY,
    ]);
    expect(series).toEqual([
      { value: "b", total: 5 },
      { value: "a", total: 2 },
    ]);
    expect(stacks.map(({ parts }) => parts)).toEqual([
      [0, 1],
      [5, 1],
      [0, 0],
    ]);
    expect(most).toBe(6);
  });
  test("what is too small to be told apart is one series, and nothing is lost", () => {
    const rows = Array.from({ length: 12 }, (_, index) => row(0, `m${index}`, 12 - index));
    const { series, stacks } = stacksOf(rows, "model", "cost", [0]);
    expect(series).toHaveLength(TOLD_APART + 1);
    expect(series.at(-1)?.value).toBeNull();
    expect(stacks[0]?.total).toBe(78);
    expect(stacks[0]?.parts.reduce((sum, part) => sum + part, 0)).toBe(78);
  });
  test("one more than can be told apart is not hidden behind a word", () => {
    const rows = Array.from({ length: TOLD_APART + 1 }, (_, index) => row(0, `m${index}`, 1));
    expect(stacksOf(rows, "model", "cost", [0]).series.every(({ value }) => value !== null)).toBe(true);
  });
  test("what cost nothing is not in a picture of costs", () => {
    expect(stacksOf([row(0, "free", 0)], "model", "cost", [0]).series).toEqual([]);
    expect(stacksOf([row(0, "free", 0)], "model", "requests", [0]).series).toEqual([{ value: "free", total: 1 }]);
  });
});

describe("periods", () => {
  const at = Date.UTC(2026, 10, 18, 15, 30) / 1_000; // a Wednesday
  test("begin where the calendar in UTC has it", () => {
    const iso = (seconds: number) => new Date(seconds * 1_000).toISOString().slice(0, 16);
    expect(iso(startOf("hour", at))).toBe("2026-11-18T15:00");
    expect(iso(startOf("day", at))).toBe("2026-11-18T00:00");
    expect(iso(startOf("week", at))).toBe("2026-11-16T00:00");
    expect(iso(startOf("month", at))).toBe("2026-11-01T00:00");
    expect(iso(nextOf("month", at))).toBe("2026-12-01T00:00");
  });
  test("are as many as a span touches", () => {
    expect(startsOf("day", at, at + DAY)).toHaveLength(2);
    expect(startsOf("month", Date.UTC(2025, 11, 3) / 1_000, Date.UTC(2026, 11, 1) / 1_000)).toHaveLength(12);
  });
});

test("a scale has few round lines and reaches over the most", () => {
  for (const most of [0.00042, 0.7, 3, 9.99, 10, 1_234, 98_765_432]) {
    const ticks = ticksOf(most);
    expect(ticks[0]).toBe(0);
    expect(ticks.at(-1)).toBeGreaterThanOrEqual(most * 0.999);
    expect(ticks.length).toBeLessThanOrEqual(6);
  }
  expect(ticksOf(10)).toEqual([0, 2.5, 5, 7.5, 10]);
  expect(ticksOf(0)).toEqual([0, 1]);
});

test("a share is never rounded to all or to nothing", () => {
  expect(shareOf(1, 3)).toBe("33 %");
  expect(shareOf(1, 1_000)).toBe("under 1 %");
  expect(shareOf(999, 1_000)).toBe("99 %");
  expect(shareOf(5, 5)).toBe("100 %");
  expect(shareOf(0, 0)).toBe("0 %");
});
