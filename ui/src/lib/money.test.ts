import { expect, test } from "vitest";
import { formatExact, formatUsd, formatUsdShort } from "./money";

test("dollars have cents, and what is small has the digits that tell something", () => {
  expect(formatUsd(0)).toBe("$0");
  expect(formatUsd(1_234.5)).toBe("$1,234.50");
  expect(formatUsd(0.0123)).toBe("$0.0123");
  expect(formatUsd(0.5)).toBe("$0.5");
  expect(formatUsd(0.000_042)).toBe("$0.000042");
  expect(formatUsd(0.999)).toBe("$1.00");
  expect(formatUsd(-2)).toBe("−$2.00");
});

test("an exact amount is read, not reckoned with", () => {
  expect(formatExact("0.000001234")).toBe("$0.00000123");
  expect(formatExact("12")).toBe("$12.00");
});

test("a scale has short numbers", () => {
  expect(formatUsdShort(0)).toBe("$0");
  expect(formatUsdShort(2.5)).toBe("$2.5");
  expect(formatUsdShort(0.05)).toBe("$0.05");
  expect(formatUsdShort(0.00025)).toBe("$0.00025");
  expect(formatUsdShort(25_000)).toBe("$25K");
});
