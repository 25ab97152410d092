import { useQuery } from "@tanstack/react-query";
import { BellRing, Pencil, Plus, Trash2 } from "lucide-react";
import { type ReactNode, useState } from "react";
import { ActionsMenu } from "@/components/actions-menu";
import { Badge } from "@/components/badge";
import { Button } from "@/components/button";
import { Confirm } from "@/components/modal";
import { Page } from "@/components/page";
import { Empty, Loading, Refused } from "@/components/states";
import { ActionCell, Cell, NameCell, Row, Table } from "@/components/table";
import { useCurrentWorkspace } from "@/control/current";
import { useDoing, useWorkspaces } from "@/control/directory";
import {
  type Alert,
  alertsQuery,
  deleteLimit,
  type Limit,
  type LimitUsage,
  limitsQuery,
  limitUsageQuery,
} from "@/control/limits";
import { useMay } from "@/control/me";
import type { Workspace } from "@/control/types";
import { formatAgo, formatMoment } from "@/lib/time";
import { SectionHeading } from "@/overview/overview-page";
import { useNames } from "@/usage/labels";
import { GaugeBar } from "./gauge";
import { LimitForm } from "./limit-form";
import { amountText, KINDS, limitText, subjectText } from "./words";

const COLUMNS = [{ name: "Limit" }, { name: "Whose" }, { name: "Used" }, { name: "Actions", unnamed: true }];
const GAUGES_SHOWN = 5;
const ALERTS_SHOWN = 10;

type Open = { kind: "new" } | { kind: "edit"; limit: Limit } | { kind: "delete"; limit: Limit } | undefined;

export default function LimitsPage() {
  const workspaces = useWorkspaces();
  const workspace = useCurrentWorkspace();
  const mayWrite = useMay("limits:write");
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);
  const create = (
    <Button look="primary" disabled={!workspace || !mayWrite} onClick={() => setOpen({ kind: "new" })}>
      <Plus className="size-4" aria-hidden="true" />
      New limit
    </Button>
  );
  return (
    <Page
      title="Limits"
      lead={
        workspace
          ? `How much may be used in ${workspace.name}, and how much of it is. A call passes if every limit that concerns it has room.`
          : "How much may be used."
      }
      actions={create}
    >
      {workspaces.isError && <Refused error={workspaces.error} again={() => void workspaces.refetch()} />}
      {workspaces.isPending && <Loading what="limits" />}
      {workspace && <Limits workspace={workspace} create={create} onOpen={setOpen} />}
      {workspace && <Alerts workspace={workspace} />}
      {workspace && (open?.kind === "new" || open?.kind === "edit") && (
        <LimitForm workspace={workspace} edited={open.kind === "edit" ? open.limit : undefined} onClose={close} />
      )}
      {open?.kind === "delete" && <Deleting limit={open.limit} onClose={close} />}
    </Page>
  );
}

/** Those of one workspace, and those of all of its organisation. */
function concerning<T extends { workspace_id: string | null }>(all: T[], workspace: Workspace): T[] {
  return all.filter((one) => one.workspace_id === null || one.workspace_id === workspace.id);
}

interface LimitsProps {
  workspace: Workspace;
  create: ReactNode;
  onOpen: (open: Open) => void;
}

function Limits({ workspace, create, onOpen }: LimitsProps) {
  const limits = useQuery(limitsQuery);
  const usage = useQuery(limitUsageQuery);
  const names = useNames();
  if (limits.isPending) return <Loading what="limits" />;
  if (limits.isError) return <Refused error={limits.error} again={() => void limits.refetch()} />;
  const shown = concerning(limits.data, workspace);
  if (shown.length === 0) {
    return (
      <Empty title="No limits yet" action={create}>
        Set one on what this workspace may spend in a month, or on how often each key may call in a minute.
      </Empty>
    );
  }
  return (
    <Table label="Limits" columns={COLUMNS}>
      {shown.map((limit) => (
        <LimitRow
          key={limit.id}
          limit={limit}
          usage={(usage.data ?? []).filter((one) => one.limit_id === limit.id)}
          names={names}
          now={usage.dataUpdatedAt}
          onOpen={onOpen}
        />
      ))}
    </Table>
  );
}

interface LimitRowProps {
  limit: Limit;
  usage: LimitUsage[];
  names: ReadonlyMap<string, string>;
  now: number;
  onOpen: (open: Open) => void;
}

function LimitRow({ limit, usage, names, now, onOpen }: LimitRowProps) {
  const mayWrite = useMay("limits:write");
  const text = limitText(limit);
  return (
    <Row dim={!limit.enabled}>
      <NameCell>
        <span className="font-medium">{text}</span>
        <span className="mt-1 flex flex-wrap gap-1">
          {!limit.hard && <Badge>Only tells</Badge>}
          {!limit.enabled && <Badge tone="warn">Not in force</Badge>}
          {limit.workspace_id === null && <Badge>All workspaces</Badge>}
          {limit.burst !== null && <Badge>Burst {amountText(limit.measure, limit.burst)}</Badge>}
        </span>
        {limit.alert_percents.length > 0 && (
          <span className="mt-1 block text-small text-ink-3">
            Alerts at {limit.alert_percents.map((one) => `${one} %`).join(", ")}
          </span>
        )}
      </NameCell>
      <Cell name="Whose">
        <span className="[overflow-wrap:anywhere]">{subjectText(limit.subject_kind, limit.subject, names)}</span>
        <span className="block text-small text-ink-3">{KINDS[limit.subject_kind]}</span>
      </Cell>
      <Cell name="Used">
        <Gauges limit={limit} usage={usage} names={names} now={now} />
      </Cell>
      <ActionCell>
        {mayWrite && (
          <ActionsMenu
            label={`Actions for ${text}`}
            actions={[
              { name: "Change", Icon: Pencil, onPick: () => onOpen({ kind: "edit", limit }) },
              { name: "Delete", Icon: Trash2, grave: true, onPick: () => onOpen({ kind: "delete", limit }) },
            ]}
          />
        )}
      </ActionCell>
    </Row>
  );
}

function Gauges({ limit, usage, names, now }: Omit<LimitRowProps, "onOpen">) {
  if (!limit.enabled) return <span className="text-ink-3">Not counted</span>;
  const isEach = usage.length > 1 || limit.subject === "*" || limit.subject.endsWith("=*");
  if (usage.length === 0) {
    if (isEach) return <span className="text-ink-3">Nothing used yet</span>;
    return <GaugeBar usage={{ ...limit, used: 0, reserved: 0, resets_at: now }} now={now} />;
  }
  const fullest = usage.toSorted((one, other) => other.used + other.reserved - one.used - one.reserved);
  return (
    <div className="flex flex-col gap-2.5">
      {fullest.slice(0, GAUGES_SHOWN).map((one) => (
        <GaugeBar
          key={one.subject}
          usage={one}
          now={now}
          {...(isEach ? { name: subjectText(one.subject_kind, one.subject, names) } : {})}
        />
      ))}
      {fullest.length > GAUGES_SHOWN && (
        <p className="text-small text-ink-3">and {fullest.length - GAUGES_SHOWN} more, less full</p>
      )}
    </div>
  );
}

function Deleting({ limit, onClose }: { limit: Limit; onClose: () => void }) {
  const doing = useDoing(["limits"], deleteLimit);
  return (
    <Confirm
      open
      title="Delete this limit?"
      verb="Delete"
      busy={doing.isPending}
      error={doing.error}
      onConfirm={() => doing.mutate(limit, { onSuccess: onClose })}
      onClose={onClose}
    >
      Nothing holds back what <b className="font-medium text-ink">{limitText(limit)}</b> did. What was used stays in the
      ledger.
    </Confirm>
  );
}

function Alerts({ workspace }: { workspace: Workspace }) {
  const alerts = useQuery(alertsQuery).data ?? [];
  const limits = new Map((useQuery(limitsQuery).data ?? []).map((limit) => [limit.id, limit]));
  const shown = concerning(alerts, workspace)
    .toSorted((one, other) => other.at - one.at)
    .slice(0, ALERTS_SHOWN);
  if (shown.length === 0) return null;
  return (
    <section aria-labelledby="alerts">
      <SectionHeading id="alerts" title="Alerts" />
      <ul className="overflow-hidden rounded-l border border-line bg-sheet shadow-1">
        {shown.map((alert) => (
          <AlertLine key={alert.id} alert={alert} limit={limits.get(alert.limit_id)} />
        ))}
      </ul>
    </section>
  );
}

function AlertLine({ alert, limit }: { alert: Alert; limit: Limit | undefined }) {
  const tone = alert.percent >= 100 ? "text-bad-text" : "text-warn-text";
  return (
    <li className="flex items-center gap-3 border-b border-line px-5 py-3 text-body last:border-0">
      <BellRing className={`size-4 shrink-0 ${tone}`} aria-hidden="true" />
      <span className="min-w-0 flex-1">
        <span className="font-medium">{alert.percent} %</span> of{" "}
        {limit ? limitText(limit) : "a limit that was deleted since"}
        {limit && <span className="text-ink-3">, with {amountText(limit.measure, alert.used)} used</span>}
      </span>
      <time className="shrink-0 text-small text-ink-3" title={formatMoment(alert.at / 1_000)}>
        {formatAgo(alert.at / 1_000)}
      </time>
    </li>
  );
}
