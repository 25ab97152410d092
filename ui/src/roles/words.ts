import type { Role } from "@/control/types";

/** Every permission there is: the owner has all of them. */
export function everyPermission(roles: readonly Role[]): string[] {
  return roles.find(({ name, id }) => name === "owner" && id === null)?.permissions.toSorted() ?? [];
}

export interface Group {
  resource: string;
  permissions: { value: string; name: string }[];
}

/** Permissions by what they are about, in the order of the alphabet. */
export function groupsOf(permissions: readonly string[]): Group[] {
  const groups = new Map<string, Group["permissions"]>();
  for (const value of permissions.toSorted()) {
    const [resource = "", action = ""] = value.split(":");
    const group = groups.get(resource) ?? [];
    group.push({ value, name: action.replaceAll("_", " ") });
    groups.set(resource, group);
  }
  return [...groups].map(([resource, inside]) => ({ resource, permissions: inside }));
}

/** A name of a role, as it is written: lower-case letters, digits and dashes. */
export function problemOf(name: string, taken: readonly string[]): string | undefined {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) return "Lower-case letters, digits and dashes, a letter or digit first.";
  return taken.includes(name) ? "There is a role of this name." : undefined;
}
