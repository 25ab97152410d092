import { expect, test } from "vitest";
import { aKey } from "@/control/testing";
import { inOrder, standingOf } from "./standing";

const NOW = 1_800_000_000;

test("a key is good as long as nobody revoked it and its day has not come", () => {
  expect(standingOf(aKey(), NOW)).toMatchObject({ word: "Active", opens: true });
  expect(standingOf(aKey({ expires_at: NOW + 90 * 86_400 }), NOW)).toMatchObject({ tone: "good", opens: true });
});

test("one that ends within a week warns of it", () => {
  expect(standingOf(aKey({ expires_at: NOW + 2 * 86_400 }), NOW)).toMatchObject({
    tone: "warn",
    note: "ends in 2 days",
  });
});

test("what is revoked or over opens nothing, and says since when", () => {
  expect(standingOf(aKey({ revoked_at: NOW - 300 }), NOW)).toMatchObject({
    word: "Revoked",
    opens: false,
    note: "5 min ago",
  });
  expect(standingOf(aKey({ expires_at: NOW }), NOW)).toMatchObject({ word: "Expired", opens: false });
});

test("a key that another one follows is told as rotated, and is good for the overlap", () => {
  const rotated = aKey({ rotated_to: "key_b", expires_at: NOW + 3_600 });
  expect(standingOf(rotated, NOW)).toMatchObject({ word: "Rotated", opens: true });
  expect(standingOf(rotated, NOW + 3_600)).toMatchObject({ word: "Rotated", opens: false });
});

test("keys that open something stand first, the newest of them at the top", () => {
  const old = aKey({ id: "old", created_at: 1 });
  const fresh = aKey({ id: "fresh", created_at: 2 });
  const gone = aKey({ id: "gone", created_at: 3, revoked_at: 4 });
  expect(inOrder([gone, old, fresh], NOW).map(({ id }) => id)).toEqual(["fresh", "old", "gone"]);
});
