import { expect, test } from "vitest";
import type { Category } from "@/control/cache";
import {
  boundOf,
  categoryName,
  howToBegin,
  kindOf,
  latencyText,
  meaningText,
  ranked,
  rateText,
  reasonOf,
  refusalOf,
  removedText,
  savedBy,
  spanText,
  tierName,
} from "./words";

test("a rate is told to a tenth, and never as all or nothing where it is not", () => {
  expect([null, 0, 0.0001, 0.8421, 0.99999, 1].map(rateText)).toEqual([
    "–",
    "0 %",
    "0.1 %",
    "84.2 %",
    "99.9 %",
    "100 %",
  ]);
});

test("latencies are told in the unit that suits them", () => {
  expect([null, 3.14, 412.4, 2_417, 31_400].map(latencyText)).toEqual(["–", "3.1 µs", "412 µs", "2.4 ms", "31 ms"]);
});

test("spans are told in the unit that suits them", () => {
  expect([42.9, 759, 3_599, 10_800, 90_000, 172_800].map(spanText)).toEqual([
    "42 s",
    "12 min",
    "59 min",
    "3 h",
    "1 day",
    "2 days",
  ]);
});

test("each way, reason and refusal has a name and says what it means", () => {
  expect(kindOf("joined").name).toBe("Joined a call under way");
  expect(reasonOf("expired").note).toContain("ttl_s");
  expect(refusalOf("length").name).toBe("Cut at its limit of tokens");
  expect(refusalOf("of_tomorrow")).toEqual({ name: "of tomorrow", note: "" });
  expect([tierName("redis"), tierName("shelf")]).toEqual(["Redis", "shelf"]);
});

test("what was let go of is counted", () => {
  expect([removedText(1), removedText(1_234)]).toEqual(["1 answer let go of.", "1,234 answers let go of."]);
  expect(removedText(0)).toContain("Nothing of that lay in memory");
});

test("how to begin depends on the mode", () => {
  expect(howToBegin("deterministic")).toContain("`temperature` 0");
  expect(howToBegin("asked")).not.toContain("temperature");
  expect(howToBegin("all")).not.toContain("x-narthex-cache");
});

test("counts are ranked", () => {
  expect(ranked({ a: 1, b: 3, c: 2 })).toEqual([
    ["b", 3],
    ["c", 2],
    ["a", 1],
  ]);
});

test("what an answer saved is exact", () => {
  expect(savedBy({ uses: 3, cost_usd: "0.000000000007" })).toBe("0.000000000021");
  expect(savedBy({ uses: 0, cost_usd: "1.5" })).toBe("0");
});

test("why a question of the same meaning did not serve is said in words", () => {
  expect(meaningText("nothing near", null)).toBe("nothing like it was asked");
  expect(meaningText("number", 0.941)).toBe("the nearest differs in: number (0.94 alike)");
  expect([categoryName("howto"), categoryName("new")]).toEqual(["How to do something", "new"]);
});

test("a bound is met, not shown yet, or broken", () => {
  const category = (said: Partial<Category>): Category => ({
    category: "fact",
    looks: 10,
    hits: 4,
    closed: false,
    least_probability: 0.9,
    samples: 200,
    wrong: 1,
    highest_error: 0.02,
    ...said,
  });
  expect(boundOf(category({}), 0.03)).toEqual({ text: "at most 2.0 %", note: "1 wrong of 200 sampled", tone: "good" });
  expect(boundOf(category({}), 0.01).tone).toBe("warn");
  expect(boundOf(category({ closed: true }), 0.01).tone).toBe("bad");
  expect(boundOf(category({ samples: 0, wrong: 0, highest_error: 1 }), 0.01).text).toBe("Not known yet");
  expect(boundOf(category({ samples: null, wrong: null, highest_error: null }), 0.01).text).toBe("Not told");
});
