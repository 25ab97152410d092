import { expect, test } from "vitest";
import type { Role } from "@/control/types";
import { everyPermission, groupsOf, problemOf } from "./words";

const role = (name: string, permissions: string[], id: string | null = null): Role => ({
  id,
  organisation_id: id && "org_default",
  name,
  permissions,
  version: id ? 1 : null,
});

test("the owner has every permission, and nobody who is called so", () => {
  expect(everyPermission([role("owner", ["a:read"], "rol_x"), role("owner", ["keys:write", "keys:read"])])).toEqual([
    "keys:read",
    "keys:write",
  ]);
  expect(everyPermission([])).toEqual([]);
});

test("permissions stand by what they are about", () => {
  expect(groupsOf(["requests:read_content", "keys:write", "requests:read"])).toEqual([
    { resource: "keys", permissions: [{ value: "keys:write", name: "write" }] },
    {
      resource: "requests",
      permissions: [
        { value: "requests:read", name: "read" },
        { value: "requests:read_content", name: "read content" },
      ],
    },
  ]);
});

test("a name that will not do is told", () => {
  expect(problemOf("night-shift", ["owner"])).toBeUndefined();
  expect(problemOf("owner", ["owner"])).toContain("of this name");
  for (const bad of ["", "Night", "-x", "a b"]) expect(problemOf(bad, [])).toContain("Lower-case");
});
