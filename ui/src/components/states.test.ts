import { expect, test } from "vitest";
import { permissionIn } from "./states";

test("a refusal names the permission that is missing", () => {
  expect(permissionIn("this needs the permission `keys:write`, which you do not have here")).toBe("keys:write");
  expect(permissionIn("no")).toBeUndefined();
});
