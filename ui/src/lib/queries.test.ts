import { expect, test } from "vitest";
import { Failure, unreachable } from "./failures";
import { mayPass } from "./queries";

const refused = (status: number) => new Failure({ message: "no", code: "x", status });

test("what is refused for a reason is not asked again; what failed by chance is", () => {
  expect([401, 403, 404, 422].map((status) => mayPass(refused(status)))).toEqual([false, false, false, false]);
  expect([429, 500, 503].map((status) => mayPass(refused(status)))).toEqual([true, true, true]);
  expect(mayPass(unreachable())).toBe(true);
  expect(mayPass(new TypeError("x"))).toBe(true);
});
