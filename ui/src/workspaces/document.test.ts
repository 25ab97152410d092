import { expect, test } from "vitest";
import { documentIn, isSealed, passphraseProblem } from "./document";

test("what was exported is read in again", () => {
  const document = { format: "narthex.workspaces", version: 1, workspaces: [] };
  expect(documentIn(JSON.stringify(document))).toEqual({ document });
});

test("what is no export says so before anything is sent", () => {
  expect(documentIn("{")).toHaveProperty("problem");
  expect(documentIn("[1]")).toHaveProperty("problem");
  expect(documentIn("null")).toHaveProperty("problem");
});

test("a document with sealed parts asks for its passphrase", () => {
  expect(isSealed({ sealed: "abc" })).toBe(true);
  expect(isSealed({ sealed: null })).toBe(false);
});

test("a passphrase is long or not there at all", () => {
  expect(passphraseProblem("")).toBeUndefined();
  expect(passphraseProblem("short")).toContain("12");
  expect(passphraseProblem("correct horse battery")).toBeUndefined();
});
