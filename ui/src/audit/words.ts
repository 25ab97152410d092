import type { Tone } from "@/components/badge";
import type { Outcome } from "@/control/audit";

/** Kinds of actions, as the log names them. */
export const KINDS = [
  { value: "", name: "All actions" },
  { value: "session", name: "Sign-ins" },
  { value: "key", name: "Keys" },
  { value: "workspace", name: "Workspaces" },
  { value: "member", name: "Members" },
  { value: "user", name: "People" },
  { value: "role", name: "Roles" },
  { value: "limit", name: "Limits" },
  { value: "price", name: "Prices" },
  { value: "permission", name: "Permissions" },
  { value: "content", name: "Content read" },
  { value: "audit", name: "The log itself" },
] as const;

export const OUTCOMES: Record<Outcome, { name: string; tone: Tone }> = {
  ok: { name: "Done", tone: "good" },
  denied: { name: "Denied", tone: "warn" },
  failed: { name: "Failed", tone: "bad" },
};

const ACTORS: Record<string, string> = {
  local: "This machine",
  cli: "Command line",
  system: "The server",
};

/** Who did something, by name where that is known. */
export function actorText(actor: string, names: ReadonlyMap<string, string>): string {
  return ACTORS[actor] ?? names.get(actor) ?? actor;
}

/** Where it was is told by the filters, and tells none apart. */
const PLACES = new Set(["organisation_id", "workspace_id"]);

/** What is told beside an entry, in one line. */
export function detailText(details: Record<string, unknown>): string {
  return Object.entries(details)
    .filter(([name]) => !PLACES.has(name))
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
}
