import { useQuery } from "@tanstack/react-query";
import { callForAll } from "@/control/call";
import { usersQuery, workspacesQuery } from "@/control/directory";
import type { Key } from "@/control/types";
import type { Dimension } from "@/control/usage";
import { isStatus, STATUSES } from "@/ledger/words";

export type Label = (dimension: Dimension, value: string | null) => string;

const NONE: Partial<Record<Dimension, string>> = {
  user: "Nobody by name",
  tag: "Without a tag",
  end_user: "None named",
  model: "None",
};

/** What people call a value that the ledger has under an ID. */
export function labelled(dimension: Dimension, value: string | null, names: ReadonlyMap<string, string>): string {
  if (value === null) return "All others";
  if (value === "") return NONE[dimension] ?? "None";
  if (dimension === "status") return isStatus(value) ? STATUSES[value].name : value;
  if (dimension === "key" && value.startsWith("config:")) return `${value.slice("config:".length)} (configuration)`;
  if (dimension === "key" && value === "local") return "This machine, without a key";
  return names.get(value) ?? value;
}

/** Names of workspaces, people and keys by their IDs, as far as the reader may see them. */
export function useNames(): ReadonlyMap<string, string> {
  const workspaces = useQuery(workspacesQuery).data ?? [];
  const users = useQuery(usersQuery).data ?? [];
  const keys =
    useQuery({ queryKey: ["keys", "all"], queryFn: ({ signal }) => callForAll<Key>("/api/keys", {}, signal) }).data ??
    [];
  const names = [...workspaces, ...users, ...keys];
  return toldApart(names.map(({ id, name }) => [id, name] as const));
}

/** Names that several share get the end of the ID behind them. */
export function toldApart(named: readonly (readonly [string, string])[]): ReadonlyMap<string, string> {
  const times = new Map<string, number>();
  for (const [, name] of named) times.set(name, (times.get(name) ?? 0) + 1);
  return new Map(named.map(([id, name]) => [id, (times.get(name) ?? 0) > 1 ? `${name} (…${id.slice(-4)})` : name]));
}

export function useLabels(): Label {
  const names = useNames();
  return (dimension, value) => labelled(dimension, value, names);
}
