import { type UseQueryResult, useQuery } from "@tanstack/react-query";
import { Ban, Pencil, Plus, RefreshCw } from "lucide-react";
import { type ReactNode, useState } from "react";
import { type Action, ActionsMenu } from "@/components/actions-menu";
import { Badge, Badges } from "@/components/badge";
import { Button } from "@/components/button";
import { Page } from "@/components/page";
import { Empty, Loading, Refused } from "@/components/states";
import { ActionCell, Cell, NameCell, Row, Table } from "@/components/table";
import { useCurrentWorkspace } from "@/control/current";
import { keysQuery, useWorkspaces } from "@/control/directory";
import { useMay } from "@/control/me";
import type { Key, NewKey, Workspace } from "@/control/types";
import { formatAgo, formatMoment } from "@/lib/time";
import { RevokeKey, RotateKey } from "./key-dialogs";
import { KeyForm } from "./key-form";
import { ShownOnce } from "./shown-once";
import { inOrder, standingOf } from "./standing";

const COLUMNS = [
  { name: "Key" },
  { name: "State" },
  { name: "Scopes" },
  { name: "Last use" },
  { name: "Actions", unnamed: true },
];

type Open =
  | { kind: "new" }
  | { kind: "edit"; subject: Key }
  | { kind: "rotate"; subject: Key }
  | { kind: "revoke"; subject: Key }
  | { kind: "made"; made: NewKey }
  | undefined;

export default function KeysPage() {
  const workspaces = useWorkspaces();
  const workspace = useCurrentWorkspace();
  const keys = useQuery(keysQuery(workspace?.id ?? ""));
  const mayWrite = useMay("keys:write");
  const [open, setOpen] = useState<Open>();
  const create = (
    <Button look="primary" disabled={!workspace || !mayWrite} onClick={() => setOpen({ kind: "new" })}>
      <Plus className="size-4" aria-hidden="true" />
      New key
    </Button>
  );
  return (
    <Page
      title="Keys"
      lead={
        workspace
          ? `With a key of ${workspace.name}, a program calls models in its name.`
          : "With a key, a program calls models."
      }
      actions={create}
    >
      {workspaces.isError && <Refused error={workspaces.error} again={() => void workspaces.refetch()} />}
      {workspaces.isPending && <Loading what="keys" />}
      {workspace && <KeyList keys={keys} create={create} onOpen={setOpen} />}
      {workspace && <Dialogs workspace={workspace} open={open} onOpen={setOpen} />}
    </Page>
  );
}

interface KeyListProps {
  keys: UseQueryResult<Key[]>;
  create: ReactNode;
  onOpen: (open: Open) => void;
}

function KeyList({ keys, create, onOpen }: KeyListProps) {
  if (keys.isPending) return <Loading what="keys" />;
  if (keys.isError) return <Refused error={keys.error} again={() => void keys.refetch()} />;
  if (keys.data.length === 0) {
    return (
      <Empty title="No keys yet" action={create}>
        Make one for each program that calls models: what it uses is told apart, and it can be revoked alone.
      </Empty>
    );
  }
  return (
    <Table label="Keys" columns={COLUMNS}>
      {inOrder(keys.data).map((one) => (
        <KeyRow key={one.id} subject={one} onOpen={onOpen} />
      ))}
    </Table>
  );
}

interface DialogsProps {
  workspace: Workspace;
  open: Open;
  onOpen: (open: Open) => void;
}

function Dialogs({ workspace, open, onOpen }: DialogsProps) {
  const close = () => onOpen(undefined);
  const made = (one: NewKey) => onOpen({ kind: "made", made: one });
  if (!open) return null;
  switch (open.kind) {
    case "made":
      return <ShownOnce made={open.made} onClose={close} />;
    case "rotate":
      return <RotateKey subject={open.subject} onMade={made} onClose={close} />;
    case "revoke":
      return <RevokeKey subject={open.subject} onClose={close} />;
    case "new":
      return <KeyForm workspace={workspace} edited={undefined} onMade={made} onClose={close} />;
    case "edit":
      return <KeyForm workspace={workspace} edited={open.subject} onMade={made} onClose={close} />;
  }
}

function KeyRow({ subject, onOpen }: { subject: Key; onOpen: (open: Open) => void }) {
  const standing = standingOf(subject);
  const mayWrite = useMay("keys:write");
  const actions: Action[] =
    standing.opens && mayWrite
      ? [
          { name: "Change", Icon: Pencil, onPick: () => onOpen({ kind: "edit", subject }) },
          ...(subject.rotated_to === null
            ? [{ name: "Rotate", Icon: RefreshCw, onPick: () => onOpen({ kind: "rotate", subject }) }]
            : []),
          { name: "Revoke", Icon: Ban, grave: true, onPick: () => onOpen({ kind: "revoke", subject }) },
        ]
      : [];
  return (
    <Row dim={!standing.opens}>
      <NameCell>
        <span className="font-medium">{subject.name}</span>
        <span className="mt-0.5 block font-mono text-small text-ink-3">{subject.shown}…</span>
        <Tags tags={subject.tags} />
      </NameCell>
      <Cell name="State">
        <Badge tone={standing.tone}>{standing.word}</Badge>
        {standing.note && <span className="mt-0.5 block text-small text-ink-3">{standing.note}</span>}
      </Cell>
      <Cell name="Scopes">
        <Badges words={scopeWords(subject)} none="Everything here" />
      </Cell>
      <Cell name="Last use">
        {subject.last_used_at === null ? (
          <span className="text-ink-3">Never</span>
        ) : (
          <time title={usedWhen(subject.first_used_at, subject.last_used_at)}>{formatAgo(subject.last_used_at)}</time>
        )}
        <span className="block text-small text-ink-3" title={formatMoment(subject.created_at)}>
          made {formatAgo(subject.created_at)}
        </span>
      </Cell>
      <ActionCell>
        <ActionsMenu label={`Actions for ${subject.name}`} actions={actions} />
      </ActionCell>
    </Row>
  );
}

function usedWhen(first: number | null, last: number): string {
  return first === null ? formatMoment(last) : `${formatMoment(last)}; first ${formatMoment(first)}`;
}

function Tags({ tags }: { tags: Record<string, string> }) {
  const words = Object.entries(tags).map(([name, value]) => `${name}=${value}`);
  return words.length > 0 && <span className="mt-1 block text-small text-ink-2">{words.join(", ")}</span>;
}

function scopeWords({ scopes, priority }: Key): string[] {
  const priorities = priority === "normal" ? [] : [`${priority} priority`];
  return [...scopes.models, ...scopes.routes, ...scopes.addresses, ...scopes.permissions, ...priorities];
}
