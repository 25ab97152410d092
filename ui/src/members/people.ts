import type { Member, User } from "@/control/types";

export interface Person {
  member: Member;
  /** Unknown where one may see members, and not the people of the organisation. */
  user: User | undefined;
}

export function nameOf({ member, user }: Person): string {
  return user?.name || user?.email || member.user_id;
}

/** Members with their names, in the order of these. */
export function peopleOf(members: Member[], users: User[]): Person[] {
  const known = new Map(users.map((user) => [user.id, user]));
  return members
    .map((member) => ({ member, user: known.get(member.user_id) }))
    .toSorted((one, other) => nameOf(one).localeCompare(nameOf(other)));
}

/** Who could be taken in: neither members already nor locked out. */
export function outside(members: Member[], users: User[]): User[] {
  const inside = new Set(members.map((member) => member.user_id));
  return users
    .filter((user) => !inside.has(user.id) && user.disabled_at === null)
    .toSorted((one, other) => one.name.localeCompare(other.name));
}

/** Whether nobody else owns the workspace, so that this one has to stay its owner. */
export function isLastOwner(member: Member, members: Member[]): boolean {
  return member.role === "owner" && !members.some((one) => one.role === "owner" && one.user_id !== member.user_id);
}

const WORDS: Record<string, string> = {
  owner: "May do everything.",
  admin: "May do everything but change the organisation and erase people.",
  member: "Calls models, makes keys, and sees usage and limits.",
  viewer: "Sees settings, keys, limits and usage; changes nothing.",
  billing: "Sees usage and entries of the ledger; sets prices and limits.",
};

/** What a role is for; of one's own, what it may do. */
export function aboutRole(name: string, permissions: readonly string[]): string {
  return WORDS[name] ?? (permissions.length === 0 ? "May do nothing yet." : permissions.join(", "));
}
