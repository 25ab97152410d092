import { wordsIn } from "@/components/fields";
import type { KeyWish } from "@/control/directory";
import type { Key } from "@/control/types";
import { dayField, endOfDay } from "@/lib/time";

/** A key as its form holds it. */
export interface Draft {
  name: string;
  expires: string;
  models: string;
  routes: string[];
  addresses: string;
  permissions: string[];
  tags: string;
  priority: Key["priority"];
}

export const NEW_DRAFT: Draft = {
  name: "",
  expires: "",
  models: "",
  routes: [],
  addresses: "",
  permissions: [],
  tags: "",
  priority: "normal",
};

export function draftOf(key: Key): Draft {
  return {
    name: key.name,
    expires: key.expires_at === null ? "" : dayField(key.expires_at),
    models: key.scopes.models.join("\n"),
    routes: key.scopes.routes,
    addresses: key.scopes.addresses.join("\n"),
    permissions: key.scopes.permissions,
    tags: Object.entries(key.tags)
      .map(([name, value]) => `${name}=${value}`)
      .join("\n"),
    priority: key.priority,
  };
}

const TAG = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}=[ -~]{0,64}$/;
const MOST_TAGS = 5;

function tagLines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/** What will not do, by the name of the field. */
export function problemsOf(draft: Draft, now: number = Date.now() / 1_000): Partial<Record<keyof Draft, string>> {
  const problems: Partial<Record<keyof Draft, string>> = {};
  if (draft.name.trim() === "") problems.name = "Give it a name by which you will know it again.";
  if (draft.expires !== "") {
    const end = endOfDay(draft.expires);
    if (end === null) problems.expires = "Give a day.";
    else if (end <= now) problems.expires = "That day is over.";
  }
  const lines = tagLines(draft.tags);
  const odd = lines.find((line) => !TAG.test(line));
  if (odd !== undefined) problems.tags = `“${odd.slice(0, 40)}” is no tag: write name=value.`;
  else if (lines.length > MOST_TAGS) problems.tags = "A key has up to five tags.";
  return problems;
}

export function wishOf(draft: Draft): Omit<KeyWish, "workspace_id"> {
  const tags = tagLines(draft.tags).map((line) => {
    const at = line.indexOf("=");
    return [line.slice(0, at), line.slice(at + 1)] as const;
  });
  return {
    name: draft.name.trim(),
    expires_at: draft.expires === "" ? null : endOfDay(draft.expires),
    scopes: {
      models: wordsIn(draft.models),
      routes: draft.routes,
      addresses: wordsIn(draft.addresses),
      permissions: draft.permissions,
    },
    tags: Object.fromEntries(tags),
    priority: draft.priority,
  };
}
