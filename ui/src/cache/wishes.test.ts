import { describe, expect, test } from "vitest";
import { countOf, isNothing, NO_VOID, voidProblems, voidWish, warmProblems, warmWish } from "./wishes";

const KEY = "a1".repeat(32);
const WARM = { model: "up/m", lines: "", tags: "", ttl: "" };

describe("what is declared void", () => {
  test("is named by words between spaces, commas or lines, each once", () => {
    const draft = { tags: "a, b\na", models: "up/*", keys: KEY };
    expect(voidProblems(draft)).toEqual({});
    expect(voidWish(draft, true)).toEqual({ tags: ["a", "b"], models: ["up/*"], keys: [KEY], everything: true });
  });
  test("is something", () => {
    expect(isNothing(NO_VOID)).toBe(true);
    expect(isNothing({ ...NO_VOID, models: "*" })).toBe(false);
  });
  test("is told where it cannot be", () => {
    const wrong = voidProblems({
      tags: "é",
      models: Array.from({ length: 101 }, (_, n) => `m${n}`).join(" "),
      keys: "ab",
    });
    expect(wrong.tags).toMatch(/^é: /);
    expect(wrong.models).toBe("At most 100 at once.");
    expect(wrong.keys).toMatch(/64 digits/);
  });
});

describe("what is answered beforehand", () => {
  test("is a question in each line, or a whole request", () => {
    const draft = { ...WARM, lines: 'What is red?\n\n{"model": "up/n", "messages": []}\n', tags: "t", ttl: "60" };
    expect(warmProblems(draft)).toEqual({});
    expect(countOf(draft.lines)).toBe(2);
    expect(warmWish(draft)).toEqual({
      requests: [
        { model: "up/m", temperature: 0, messages: [{ role: "user", content: "What is red?" }] },
        { model: "up/n", messages: [] },
      ],
      tags: ["t"],
      ttl_s: 60,
    });
    expect(warmWish(WARM).ttl_s).toBeNull();
  });
  test("is told where it cannot be", () => {
    const lines = "a\n{no";
    expect(warmProblems({ ...WARM, lines, tags: "a!", ttl: "-1" })).toEqual({
      lines: "Line 2 begins with a brace, and is no JSON.",
      tags: "a!: up to 64 letters, digits and any of `_.:/@-`.",
      ttl: "Seconds, up to 40 days.",
    });
    expect(warmProblems({ ...WARM, lines: "x\n".repeat(201) }).lines).toMatch(/^201 lines/);
    expect(warmProblems({ ...WARM, tags: Array.from({ length: 17 }, (_, n) => `t${n}`).join(" ") }).tags).toBe(
      "At most 16.",
    );
  });
});
