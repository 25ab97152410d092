import type { Step } from "@/control/usage";
import type { SpanWord } from "./span-words";
import { startOf } from "./stacks";

const DAY = 86_400;

export interface Span {
  from: number;
  to: number;
  step: Step;
}

/** From when to when, and how finely; whole periods, in UTC, as the ledger has them. */
export function spanOf(word: SpanWord, now: number): Span {
  const tomorrow = startOf("day", now) + DAY;
  const month = startOf("month", now);
  switch (word) {
    case "24h":
      return { from: startOf("hour", now) - 23 * 3_600, to: startOf("hour", now) + 3_600, step: "hour" };
    case "7d":
      return { from: tomorrow - 7 * DAY, to: tomorrow, step: "day" };
    case "30d":
      return { from: tomorrow - 30 * DAY, to: tomorrow, step: "day" };
    case "month":
      return { from: month, to: tomorrow, step: "day" };
    case "last-month":
      return { from: startOf("month", month - 1), to: month, step: "day" };
    case "90d":
      return { from: startOf("week", tomorrow - 90 * DAY), to: tomorrow, step: "week" };
    case "year": {
      const day = new Date(month * 1_000);
      return {
        from: Date.UTC(day.getUTCFullYear() - 1, day.getUTCMonth() + 1, 1) / 1_000,
        to: tomorrow,
        step: "month",
      };
    }
  }
}
