/** The spans that are picked, by their words in the address. */
export const SPANS = {
  "24h": "Last 24 hours",
  "7d": "Last 7 days",
  "30d": "Last 30 days",
  month: "This month",
  "last-month": "Last month",
  "90d": "Last 90 days",
  year: "Last 12 months",
} as const;

export type SpanWord = keyof typeof SPANS;

export function isSpanWord(word: unknown): word is SpanWord {
  return typeof word === "string" && word in SPANS;
}
