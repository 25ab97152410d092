import { expect, test } from "vitest";
import { dayField, endOfDay, formatAgo } from "./time";

test("a moment is told by how far it is", () => {
  expect(formatAgo(1_000, 1_002)).toBe("just now");
  expect(formatAgo(1_002, 1_000)).toBe("in a moment");
  expect(formatAgo(1_000, 1_000 + 300)).toBe("5 min ago");
  expect(formatAgo(1_000 + 3 * 86_400, 1_000)).toBe("in 3 days");
  expect(formatAgo(1_000 + 86_400, 1_000)).toBe("in 1 day");
  expect(formatAgo(0, 7_300)).toBe("2 h ago");
});

test("a day ends with its last second, and comes back as it was written", () => {
  const end = endOfDay("2026-11-21");
  expect(end).not.toBeNull();
  expect(dayField(end ?? 0)).toBe("2026-11-21");
  expect(dayField((end ?? 0) + 1)).toBe("2026-11-22");
});

test("what is no day is none", () => {
  for (const text of ["", "soon", "2026-02-31", "21.11.2026"]) expect(endOfDay(text)).toBeNull();
});
