import { expect, test } from "vitest";
import { NOTHING } from "@/control/usage";
import { caveatsOf, expectedNote, savedNote } from "./usage-figures";

test("what is exact has no caveats", () => {
  expect(caveatsOf({ ...NOTHING, requests: 5, cost_microusd: 7 })).toEqual([]);
});

test("estimates and unknown prices are told", () => {
  const caveats = caveatsOf({ ...NOTHING, estimated_attempts: 3, estimated_cost_usd: "0.25", unpriced_tokens: 1_200 });
  expect(caveats[0]).toContain("3 attempts");
  expect(caveats[0]).toContain("$0.25");
  expect(caveats[1]).toContain("1,200 tokens");
  expect(caveatsOf({ ...NOTHING, estimated_attempts: 1 })[0]).toContain("one attempt");
});

test("a forecast tells its interval, or why it has none", () => {
  expect(expectedNote({ low_usd: "10", high_usd: "20", spent_usd: "5" })).toBe(
    "$10.00 to $20.00 in four of five cases",
  );
  expect(expectedNote({ low_usd: null, high_usd: null, spent_usd: "5" })).toContain("$5.00 so far");
});

test("what was saved is told as one, wherever the cache is", () => {
  expect(savedNote({ saved_usd: "1.5", provider_cache_saved_usd: "0.5" })).toBe("$2.00 saved by caching");
  expect(savedNote(NOTHING)).toBe("Nothing saved by caching");
});
