import { Archive, ArchiveRestore, Check, FileDown, FileUp, Plus, Settings2 } from "lucide-react";
import { useState } from "react";
import { type Action, ActionsMenu } from "@/components/actions-menu";
import { Badge, Badges } from "@/components/badge";
import { Button } from "@/components/button";
import { Confirm } from "@/components/modal";
import { Page } from "@/components/page";
import { Empty, Loading, Refused } from "@/components/states";
import { ActionCell, Cell, NameCell, Row, Table } from "@/components/table";
import { chooseWorkspace, useCurrentWorkspace } from "@/control/current";
import { archiveWorkspace, restoreWorkspace, useDoing, useWorkspaces } from "@/control/directory";
import { useMay } from "@/control/me";
import type { Workspace } from "@/control/types";
import { ExportWorkspace, ImportWorkspaces } from "./moving";
import { WorkspaceForm } from "./workspace-form";

const COLUMNS = [
  { name: "Workspace" },
  { name: "Default model" },
  { name: "Allowed models" },
  { name: "Kept of calls" },
  { name: "Actions", unnamed: true },
];

type Open = { kind: "new" | "import" } | { kind: "edit" | "archive" | "export"; workspace: Workspace } | undefined;

export default function WorkspacesPage() {
  const workspaces = useWorkspaces();
  const [open, setOpen] = useState<Open>();
  const mayWrite = useMay("workspaces:write");
  const all = workspaces.data ?? [];
  const create = (
    <Button look="primary" disabled={!mayWrite} onClick={() => setOpen({ kind: "new" })}>
      <Plus className="size-4" aria-hidden="true" />
      New workspace
    </Button>
  );
  return (
    <Page
      title="Workspaces"
      lead="A workspace holds what belongs together: its keys, members, limits and usage, and how its calls are treated."
      actions={
        <>
          <Button disabled={!mayWrite} onClick={() => setOpen({ kind: "import" })}>
            <FileUp className="size-4" aria-hidden="true" />
            Import
          </Button>
          {create}
        </>
      }
    >
      {workspaces.isPending && <Loading what="workspaces" />}
      {workspaces.isError && <Refused error={workspaces.error} again={() => void workspaces.refetch()} />}
      {workspaces.isSuccess &&
        (all.length === 0 ? (
          <Empty title="No workspace that you may see" action={create}>
            Make one, or ask an owner of the organisation to take you into theirs.
          </Empty>
        ) : (
          <WorkspaceTable workspaces={inOrder(all)} onOpen={setOpen} />
        ))}
      <Dialogs open={open} all={all} onClose={() => setOpen(undefined)} />
    </Page>
  );
}

function Dialogs({ open, all, onClose }: { open: Open; all: Workspace[]; onClose: () => void }) {
  if (!open) return null;
  const templates = all.filter((one) => one.is_template && one.archived_at === null);
  switch (open.kind) {
    case "new":
      return <WorkspaceForm workspace={undefined} templates={templates} onClose={onClose} />;
    case "import":
      return <ImportWorkspaces onClose={onClose} />;
    case "edit":
      return <WorkspaceForm workspace={open.workspace} templates={templates} onClose={onClose} />;
    case "archive":
      return <Archiving workspace={open.workspace} onClose={onClose} />;
    case "export":
      return <ExportWorkspace workspace={open.workspace} onClose={onClose} />;
  }
}

/** Those in use, then templates, then those put away; each in order of their names. */
export function inOrder(workspaces: Workspace[]): Workspace[] {
  const rank = (one: Workspace) => (one.archived_at !== null ? 2 : one.is_template ? 1 : 0);
  return workspaces.toSorted((one, other) => rank(one) - rank(other) || one.name.localeCompare(other.name));
}

function WorkspaceTable({ workspaces, onOpen }: { workspaces: Workspace[]; onOpen: (open: Open) => void }) {
  const current = useCurrentWorkspace();
  return (
    <Table label="Workspaces" columns={COLUMNS}>
      {workspaces.map((one) => (
        <WorkspaceRow key={one.id} workspace={one} isCurrent={one.id === current?.id} onOpen={onOpen} />
      ))}
    </Table>
  );
}

interface WorkspaceRowProps {
  workspace: Workspace;
  isCurrent: boolean;
  onOpen: (open: Open) => void;
}

const KEPT = { none: "Nothing", metadata: "Metadata", content: "Content" };

function WorkspaceRow({ workspace, isCurrent, onOpen }: WorkspaceRowProps) {
  const { settings } = workspace;
  return (
    <Row dim={workspace.archived_at !== null}>
      <NameCell>
        <span className="flex flex-wrap items-center gap-x-2 gap-y-1">
          <span className="font-medium">{workspace.name}</span>
          {isCurrent && <Badge tone="accent">Current</Badge>}
          {workspace.is_template && <Badge>Template</Badge>}
          {workspace.archived_at !== null && <Badge tone="warn">Archived</Badge>}
        </span>
        <span className="mt-0.5 block font-mono text-small text-ink-3">{workspace.slug}</span>
        {workspace.description && (
          <span className="mt-1 block max-w-80 text-small text-ink-2">{workspace.description}</span>
        )}
      </NameCell>
      <Cell name="Default model">
        {settings.default_model ? (
          <span className="font-mono text-small [overflow-wrap:anywhere]">{settings.default_model}</span>
        ) : (
          <span className="text-ink-3">The server's</span>
        )}
      </Cell>
      <Cell name="Allowed models">
        <Badges words={settings.allowed_models} none="All" />
      </Cell>
      <Cell name="Kept of calls">
        {KEPT[settings.capture]}
        {settings.retention_days !== null && (
          <span className="block text-small text-ink-3">
            {settings.retention_days === 1 ? "1 day" : `${settings.retention_days} days`}
          </span>
        )}
        {!settings.caching && <span className="block text-small text-ink-3">No caching</span>}
      </Cell>
      <ActionCell>
        <RowActions workspace={workspace} isCurrent={isCurrent} onOpen={onOpen} />
      </ActionCell>
    </Row>
  );
}

function RowActions({ workspace, isCurrent, onOpen }: WorkspaceRowProps) {
  const restoring = useDoing(["workspaces"], restoreWorkspace);
  const isOpen = workspace.archived_at === null;
  const actions: Action[] = isOpen
    ? [
        { name: "Settings", Icon: Settings2, onPick: () => onOpen({ kind: "edit", workspace }) },
        ...(workspace.is_template || isCurrent
          ? []
          : [{ name: "Make it current", Icon: Check, onPick: () => chooseWorkspace(workspace.id) }]),
        { name: "Export", Icon: FileDown, onPick: () => onOpen({ kind: "export", workspace }) },
        { name: "Archive", Icon: Archive, grave: true, onPick: () => onOpen({ kind: "archive", workspace }) },
      ]
    : [{ name: "Restore", Icon: ArchiveRestore, onPick: () => restoring.mutate(workspace) }];
  return <ActionsMenu label={`Actions for ${workspace.name}`} actions={actions} />;
}

function Archiving({ workspace, onClose }: { workspace: Workspace; onClose: () => void }) {
  const doing = useDoing(["workspaces"], archiveWorkspace);
  return (
    <Confirm
      open
      title={`Archive ${workspace.name}?`}
      verb="Archive"
      busy={doing.isPending}
      error={doing.error}
      onConfirm={() => doing.mutate(workspace, { onSuccess: onClose })}
      onClose={onClose}
    >
      Its keys open nothing from then on. What it holds stays, and it can be restored.
    </Confirm>
  );
}
