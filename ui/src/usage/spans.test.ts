import { expect, test } from "vitest";
import { isSpanWord, SPANS, type SpanWord } from "./span-words";
import { spanOf } from "./spans";
import { startsOf } from "./stacks";

const NOW = Date.UTC(2026, 10, 21, 20, 30) / 1_000;
const columns = (word: SpanWord) => {
  const { from, to, step } = spanOf(word, NOW);
  return startsOf(step, from, to).length;
};

test("each span has as many columns as its name says", () => {
  expect(columns("24h")).toBe(24);
  expect(columns("7d")).toBe(7);
  expect(columns("30d")).toBe(30);
  expect(columns("month")).toBe(21);
  expect(columns("last-month")).toBe(31);
  expect(columns("year")).toBe(12);
});

test("every span begins with a whole period and holds no more than a screen can show", () => {
  for (const word of Object.keys(SPANS) as SpanWord[]) {
    const { from, to, step } = spanOf(word, NOW);
    expect(startsOf(step, from, to)[0]).toBe(from);
    expect(columns(word)).toBeLessThanOrEqual(31);
    expect(to).toBeGreaterThan(from);
  }
});

test("a word that is none is not taken", () => {
  expect(isSpanWord("30d")).toBe(true);
  for (const word of ["40d", 30, undefined, null]) expect(isSpanWord(word)).toBe(false);
});
