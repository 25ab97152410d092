import { expect, test } from "vitest";
import { aKey } from "@/control/testing";
import { draftOf, NEW_DRAFT, problemsOf, wishOf } from "./draft";

const NOW = new Date(2026, 10, 21, 12).getTime() / 1_000;

test("a key needs a name, and nothing else", () => {
  expect(problemsOf(NEW_DRAFT, NOW)).toHaveProperty("name");
  expect(problemsOf({ ...NEW_DRAFT, name: "CI" }, NOW)).toEqual({});
});

test("a day that is over is refused, today is not", () => {
  expect(problemsOf({ ...NEW_DRAFT, name: "CI", expires: "2026-11-20" }, NOW)).toHaveProperty("expires");
  expect(problemsOf({ ...NEW_DRAFT, name: "CI", expires: "2026-11-21" }, NOW)).toEqual({});
});

test("tags are lines of a name and a value, up to five", () => {
  expect(problemsOf({ ...NEW_DRAFT, name: "CI", tags: "team" }, NOW).tags).toContain("team");
  expect(problemsOf({ ...NEW_DRAFT, name: "CI", tags: "a=1\nb=2\nc=3\nd=4\ne=5\nf=6" }, NOW)).toHaveProperty("tags");
  expect(wishOf({ ...NEW_DRAFT, name: "CI", tags: "team=search\n note=a=b " }).tags).toEqual({
    team: "search",
    note: "a=b",
  });
});

test("what is read from a key is what is written back to it", () => {
  const scopes = { models: ["openai/*"], routes: ["chat"], addresses: ["10.0.0.0/8"], permissions: ["usage:read"] };
  const key = aKey({ name: "CI", scopes, tags: { team: "search" }, priority: "low" });
  expect(wishOf(draftOf(key))).toEqual({
    name: "CI",
    expires_at: null,
    scopes,
    tags: { team: "search" },
    priority: "low",
  });
});
