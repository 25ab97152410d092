import { expect, test } from "vitest";
import type { Member, User } from "@/control/types";
import { aboutRole, isLastOwner, nameOf, outside, peopleOf } from "./people";

const member = (user_id: string, role = "member"): Member => ({
  workspace_id: "ws_a",
  user_id,
  role,
  source: "hand",
  created_at: 1,
  version: 1,
});
const user = (id: string, name: string, more: Partial<User> = {}): User => ({
  id,
  organisation_id: "org_default",
  kind: "person",
  email: null,
  name,
  role: "member",
  current_workspace_id: null,
  created_at: 1,
  last_sign_in_at: null,
  disabled_at: null,
  version: 1,
  ...more,
});

test("members stand by their names, and by their IDs where these are not open to the reader", () => {
  const people = peopleOf(
    [member("usr_z"), member("usr_b"), member("usr_a")],
    [user("usr_b", "Ann"), user("usr_a", "Zoe")],
  );
  expect(people.map(nameOf)).toEqual(["Ann", "usr_z", "Zoe"]);
});

test("who is a member already or is locked out cannot be taken in", () => {
  const users = [user("usr_a", "Ann"), user("usr_b", "Bob"), user("usr_c", "Cem", { disabled_at: 5 })];
  expect(outside([member("usr_a")], users).map(({ name }) => name)).toEqual(["Bob"]);
});

test("the last owner is told", () => {
  const ann = member("usr_a", "owner");
  expect(isLastOwner(ann, [ann, member("usr_b")])).toBe(true);
  expect(isLastOwner(ann, [ann, member("usr_b", "owner")])).toBe(false);
  expect(isLastOwner(member("usr_b"), [ann])).toBe(false);
});

test("a role of one's own is told by what it may do", () => {
  expect(aboutRole("viewer", ["keys:read"])).toContain("changes nothing");
  expect(aboutRole("auditor", ["audit:read", "usage:read"])).toBe("audit:read, usage:read");
  expect(aboutRole("none", [])).toBe("May do nothing yet.");
});
