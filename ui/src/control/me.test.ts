import { expect, test } from "vitest";
import { type Me, may } from "./me";

const me: Me = {
  name: "ann",
  organisation_id: "org_default",
  workspace_id: "ws_a",
  user_id: "usr_a",
  user_name: "Ann",
  key_id: "",
  permissions: ["keys:read"],
  is_operator: false,
};

test("one may do what one's permissions name", () => {
  expect(may(me, "keys:read")).toBe(true);
  expect(may(me, "keys:write")).toBe(false);
});

test("who runs the server may do everything, and who is not known yet is asked by the server", () => {
  expect(may({ ...me, permissions: [], is_operator: true }, "keys:write")).toBe(true);
  expect(may(undefined, "keys:write")).toBe(true);
});
