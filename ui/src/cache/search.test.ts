import { expect, test } from "vitest";
import { cacheAddressIn } from "./search";

test("an address names one request at most", () => {
  expect(cacheAddressIn({ request: "req_1", other: 1 })).toEqual({ request: "req_1" });
  expect(cacheAddressIn({ request: "a b" })).toEqual({});
  expect(cacheAddressIn({ request: 7 })).toEqual({});
});
