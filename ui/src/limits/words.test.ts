import { describe, expect, test } from "vitest";
import { aLimit } from "@/control/testing";
import { gaugeOf, limitText, resetText, subjectText } from "./words";

describe("a limit in words", () => {
  test("says how much of what in which time", () => {
    expect(limitText(aLimit({ measure: "cost_microusd", amount: 20_000_000, period: "month" }))).toBe("$20.00 a month");
    expect(limitText(aLimit({ measure: "requests", amount: 60, period: "minute" }))).toBe("60 requests a minute");
    expect(limitText(aLimit({ measure: "tokens", amount: 1_200_000, period: "hour" }))).toBe("1.2M tokens an hour");
    expect(limitText(aLimit({ measure: "tokens", amount: 500, period: "day", window: "rolling" }))).toBe(
      "500 tokens in any day",
    );
  });
  test("that has no period says none", () => {
    expect(limitText(aLimit({ measure: "parallel", amount: 4, period: "total" }))).toBe("4 calls at once");
    expect(limitText(aLimit({ measure: "cost_microusd", amount: 5_000_000, period: "total" }))).toBe("$5.00 in all");
  });
});

test("whom it concerns is told by name, and each separately in words", () => {
  const names = new Map([["key_a", "Notebook"]]);
  expect(subjectText("key", "key_a", names)).toBe("Notebook");
  expect(subjectText("key", "*", names)).toBe("Each key");
  expect(subjectText("tag", "team=*", names)).toBe("Each team");
  expect(subjectText("model", "openai/*", names)).toBe("openai/*");
});

describe("a gauge", () => {
  test("shows what is used and what is reserved, never more than there is room for", () => {
    expect(gaugeOf(30, 20, 100)).toEqual({ used: 0.3, reserved: 0.2, percent: 50, state: "calm" });
    expect(gaugeOf(90, 20, 100)).toMatchObject({ used: 0.9, state: "full", percent: 110 });
    expect(gaugeOf(90, 20, 100).reserved).toBeCloseTo(0.1);
  });
  test("is never told as full before it is", () => {
    expect(gaugeOf(999, 0, 1_000)).toMatchObject({ percent: 99, state: "near" });
  });
  test("of nothing is full", () => {
    expect(gaugeOf(0, 0, 0)).toMatchObject({ percent: 100, state: "full" });
  });
});

test("when it resets is told in fitting units, or what has to happen", () => {
  expect(resetText(61_000, "requests", 1_000)).toBe("resets in 60 s");
  expect(resetText(600_000, "requests", 0)).toBe("resets in 10 min");
  expect(resetText(8 * 86_400_000, "tokens", 0)).toBe("resets in 8 days");
  expect(resetText(null, "parallel", 0)).toBe("free when calls end");
  expect(resetText(null, "cost_microusd", 0)).toBe("never filled again");
});
