import { expect, test } from "vitest";
import { exactText, picodollars, placesOf } from "./decimals";

test("amounts are added without losing a digit", () => {
  const sum = ["0.1", "0.2", "12", "0.000000000001", "-0.3"].map(picodollars).reduce((one, other) => one + other, 0n);
  expect(exactText(sum)).toBe("12.000000000001");
});

test("an amount is told with as many digits as it takes", () => {
  for (const text of ["0", "0.000612", "1234.5", "7"]) expect(exactText(picodollars(text))).toBe(text);
  expect(exactText(picodollars("-0.000001"))).toBe("−0.000001");
  expect(["0.000612", "7"].map(placesOf)).toEqual([6, 0]);
});

test("what is no amount is not taken for one", () => {
  for (const text of ["", "1e3", "NaN", "1,5"]) expect(() => picodollars(text)).toThrow(RangeError);
});
