import { expect, test } from "vitest";
import { labelled, toldApart } from "./labels";

const names = new Map([["ws_a", "Research"]]);

test("what has a name is told by it, and what has none by its ID", () => {
  expect(labelled("workspace", "ws_a", names)).toBe("Research");
  expect(labelled("workspace", "ws_gone", names)).toBe("ws_gone");
});

test("what is not told apart, what is empty, and keys of the configuration have words", () => {
  expect(labelled("model", null, names)).toBe("All others");
  expect(labelled("user", "", names)).toBe("Nobody by name");
  expect(labelled("key", "config:ci", names)).toBe("ci (configuration)");
  expect(labelled("key", "local", names)).toContain("without a key");
  expect(labelled("status", "cut", names)).toBe("Cut short");
});

test("those who share a name are told apart", () => {
  const names = toldApart([
    ["key_aaaa1111", "Deploy"],
    ["key_bbbb2222", "Deploy"],
    ["key_cccc3333", "Notebook"],
  ]);
  expect([...names.values()]).toEqual(["Deploy (…1111)", "Deploy (…2222)", "Notebook"]);
});
