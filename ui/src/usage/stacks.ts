import type { Dimension, Step, Sums, UsageRow } from "@/control/usage";

export type Measure = "cost" | "tokens" | "requests";

/** What is drawn of sums: dollars, tokens or requests. */
export function amountOf(sums: Sums, measure: Measure): number {
  if (measure === "cost") return sums.cost_microusd / 1_000_000;
  if (measure === "tokens") return sums.input_tokens + sums.output_tokens;
  return sums.requests;
}

/** What a row is about. */
export function valueIn(row: UsageRow, by: Dimension): string {
  return row.by[by] ?? "";
}

/** One value of the dimension, in one colour over all of the time. */
export interface Series {
  /** null for all that is too small to be told apart. */
  value: string | null;
  total: number;
}

export interface Stack {
  start: number;
  /** In the order of the series. */
  parts: number[];
  total: number;
}

export interface Stacks {
  series: Series[];
  stacks: Stack[];
  /** Of the highest stack. */
  most: number;
}

export const TOLD_APART = 7;

/** The largest values one upon the other, for each period from the first to the last, those without anything too. */
export function stacksOf(rows: UsageRow[], by: Dimension, measure: Measure, starts: number[]): Stacks {
  const totals = new Map<string, number>();
  for (const row of rows) {
    const value = valueIn(row, by);
    totals.set(value, (totals.get(value) ?? 0) + amountOf(row, measure));
  }
  const ranked = [...totals].filter(([, total]) => total > 0).toSorted((one, other) => other[1] - one[1]);
  const told = ranked.slice(0, ranked.length > TOLD_APART + 1 ? TOLD_APART : ranked.length);
  const rest = ranked.slice(told.length).reduce((sum, [, total]) => sum + total, 0);
  const series: Series[] = told.map(([value, total]) => ({ value, total }));
  if (rest > 0) series.push({ value: null, total: rest });
  const places = new Map(told.map(([value], place) => [value, place]));
  const stacks = new Map(starts.map((start) => [start, { start, parts: series.map(() => 0), total: 0 }]));
  for (const row of rows) {
    const stack = stacks.get(row.start_at ?? Number.NaN);
    const amount = amountOf(row, measure);
    if (!stack || amount <= 0) continue;
    const place = places.get(valueIn(row, by)) ?? told.length;
    stack.parts[place] = (stack.parts[place] ?? 0) + amount;
    stack.total += amount;
  }
  const columns = [...stacks.values()];
  return { series, stacks: columns, most: Math.max(0, ...columns.map(({ total }) => total)) };
}

const HOUR = 3_600;
const DAY = 86_400;
const WEEK = 7 * DAY;
/** Unix time began on a Thursday. */
const TO_MONDAY = 3 * DAY;

/** When the period began that a moment lies in, in UTC; weeks begin on Monday. */
export function startOf(step: Step, at: number): number {
  if (step === "hour") return Math.floor(at / HOUR) * HOUR;
  if (step === "day") return Math.floor(at / DAY) * DAY;
  if (step === "week") return Math.floor((at + TO_MONDAY) / WEEK) * WEEK - TO_MONDAY;
  const day = new Date(at * 1_000);
  return Date.UTC(day.getUTCFullYear(), day.getUTCMonth(), 1) / 1_000;
}

/** When the period begins that follows the one of a moment. */
export function nextOf(step: Step, at: number): number {
  const start = startOf(step, at);
  if (step !== "month") return start + { hour: HOUR, day: DAY, week: WEEK }[step];
  const day = new Date(start * 1_000);
  return Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1, 1) / 1_000;
}

/** The beginnings of all periods that a span touches. */
export function startsOf(step: Step, from: number, to: number): number[] {
  const starts: number[] = [];
  for (let at = startOf(step, from); at < to; at = nextOf(step, at)) starts.push(at);
  return starts;
}

/** The lines of a scale: round numbers from nothing to a little more than the most. */
export function ticksOf(most: number, wanted = 4): number[] {
  if (!(most > 0)) return [0, 1];
  const rough = most / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((part) => part * power >= rough * 0.999) ?? 10) * power;
  const count = Math.ceil((most / step) * 0.9999);
  return Array.from({ length: count + 1 }, (_, index) => index * step);
}

/** Which part of all something is, in words: 12 %, under 1 %. */
export function shareOf(part: number, all: number): string {
  if (!(all > 0) || part <= 0) return "0 %";
  const share = (part / all) * 100;
  if (share < 1) return "under 1 %";
  return `${share >= 99.5 && part < all ? 99 : Math.round(share)} %`;
}
