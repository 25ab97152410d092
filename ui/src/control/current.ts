import { useQuery } from "@tanstack/react-query";
import { localStore } from "@/lib/browser-storage";
import { ExternalStore, useStore } from "@/lib/external-store";
import { workspacesQuery } from "./directory";
import { useMe } from "./me";
import type { Workspace } from "./types";

const STORAGE_KEY = "narthex.workspace";

/** ID of the workspace that the pages are about, as it was last chosen in this browser. */
export const chosenWorkspace = new ExternalStore<string | null>(localStore.read(STORAGE_KEY));

export function chooseWorkspace(id: string): void {
  localStore.write(STORAGE_KEY, id);
  chosenWorkspace.set(id);
}

/** Those that work is done in: neither templates nor put away. */
export function inUse(workspaces: Workspace[]): Workspace[] {
  return workspaces.filter((one) => !one.is_template && one.archived_at === null);
}

/** The chosen one as long as it is in use and may be seen; else the one that the server knows, else the first. */
export function currentOf(
  workspaces: Workspace[],
  chosen: string | null,
  own: string | undefined = "ws_default",
): Workspace | undefined {
  const open = inUse(workspaces);
  return open.find(({ id }) => id === chosen) ?? open.find(({ id }) => id === own) ?? open[0];
}

export function useCurrentWorkspace(): Workspace | undefined {
  const chosen = useStore(chosenWorkspace);
  const own = useMe()?.workspace_id;
  const { data } = useQuery(workspacesQuery);
  return currentOf(data ?? [], chosen, own);
}
