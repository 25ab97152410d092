import { describe, expect, test } from "vitest";
import { aLimit } from "@/control/testing";
import { amountIn, changeOf, draftOf, newDraft, problemsOf, wishOf } from "./draft";

describe("amounts", () => {
  test("of money become whole microdollars, exactly", () => {
    expect(amountIn("20", "cost_microusd")).toBe(20_000_000);
    expect(amountIn("0.1", "cost_microusd")).toBe(100_000);
    expect(amountIn("1,234.567891", "cost_microusd")).toBe(1_234_567_891);
    expect(amountIn("0.0000001", "cost_microusd")).toBeUndefined();
  });
  test("of anything else are whole", () => {
    expect(amountIn("60", "requests")).toBe(60);
    for (const text of ["1.5", "-1", "many", "", "9999999999999999999"])
      expect(amountIn(text, "requests")).toBeUndefined();
  });
});

test("a new limit needs an amount only", () => {
  expect(Object.keys(problemsOf(newDraft("ws_a")))).toEqual(["amount"]);
  expect(problemsOf({ ...newDraft("ws_a"), amount: "20" })).toEqual({});
});

test("a tag needs a value, and alerts are percentages", () => {
  const draft = { ...newDraft("ws_a"), amount: "1", kind: "tag" as const, subject: "team", alerts: "80, most" };
  expect(Object.keys(problemsOf(draft))).toEqual(["subject", "alerts"]);
});

test("what is counted at one time has no period, and what is short has no alerts", () => {
  const parallel = changeOf({ ...newDraft("ws_a"), measure: "parallel", amount: "4", window: "rolling" });
  expect(parallel).toMatchObject({ period: "total", window: "calendar", alert_percents: [] });
  const minute = changeOf({
    ...newDraft("ws_a"),
    measure: "requests",
    amount: "60",
    period: "minute",
    window: "rolling",
    burst: "10",
  });
  expect(minute).toMatchObject({ burst: 10, alert_percents: [] });
});

test("a burst that does not fit any more is not sent", () => {
  expect(changeOf({ ...newDraft("ws_a"), amount: "1", burst: "10" }).burst).toBeNull();
});

test("what is read from a limit is what is written back to it", () => {
  const limit = aLimit({
    measure: "cost_microusd",
    amount: 1_500_000,
    amount_usd: "1.5",
    period: "month",
    alert_percents: [80, 100],
  });
  const { workspace_id, subject_kind, subject, measure, amount, period, window, burst, hard, alert_percents, enabled } =
    limit;
  expect(wishOf(draftOf(limit), "ws_a")).toEqual({
    ...{ workspace_id, subject_kind, subject, measure, amount, period, window, burst, hard, alert_percents, enabled },
  });
});
