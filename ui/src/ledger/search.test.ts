import { expect, test } from "vitest";
import { ledgerAddressIn } from "./search";

test("an address is read, and what is none of it is left out", () => {
  expect(
    ledgerAddressIn({ span: "7d", by: "key", filters: { model: "a/b", mood: "joy" }, request: "req_01-a", x: 1 }),
  ).toEqual({ span: "7d", filters: { model: "a/b" }, request: "req_01-a" });
  expect(ledgerAddressIn({ span: "9y", request: "two words" })).toEqual({});
});
