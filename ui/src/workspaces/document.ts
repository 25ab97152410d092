/** A workspace as a document: its settings, keys and roles; what keys are held by is in it only sealed. */
export type WorkspaceDocument = Record<string, unknown>;

export const MIN_PASSPHRASE = 12;

/** A file that is read in, or why it is none of ours. */
export function documentIn(text: string): { document: WorkspaceDocument } | { problem: string } {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return { problem: "This file is no JSON: choose one that was exported here." };
  }
  if (typeof found !== "object" || found === null || !("workspaces" in found) || !("format" in found)) {
    return { problem: "This file is no export of a workspace." };
  }
  return { document: found as WorkspaceDocument };
}

/** Whether something in a document can only be had with the passphrase that it was sealed with. */
export function isSealed(document: WorkspaceDocument): boolean {
  return typeof document.sealed === "string" && document.sealed !== "";
}

/** Why a passphrase will not do; none is well. */
export function passphraseProblem(text: string): string | undefined {
  return text !== "" && text.length < MIN_PASSPHRASE ? `At least ${MIN_PASSPHRASE} characters, or none.` : undefined;
}
