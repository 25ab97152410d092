import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Badge } from "@/components/badge";
import { ExportButton } from "@/components/export-button";
import { Select } from "@/components/fields";
import { Page } from "@/components/page";
import { ShowOlder } from "@/components/show-older";
import { Empty, Loading, Refused } from "@/components/states";
import { Cell, NameCell, Row, Table } from "@/components/table";
import { type AuditEntry, type AuditFilters, auditExportPath, auditQuery } from "@/control/audit";
import { useCurrentWorkspace } from "@/control/current";
import { formatMoment } from "@/lib/time";
import { useNames } from "@/usage/labels";
import { actorText, detailText, KINDS, OUTCOMES } from "./words";

const COLUMNS = [{ name: "Action" }, { name: "Who" }, { name: "To what" }, { name: "Outcome" }, { name: "When" }];
const DAY_S = 86_400;
const HOUR_S = 3_600;
const SPANS = [
  { value: "", name: "Any time" },
  { value: "1", name: "Last 24 hours" },
  { value: "7", name: "Last 7 days" },
  { value: "30", name: "Last 30 days" },
];

interface Said {
  action: string;
  outcome: string;
  days: string;
  place: "workspace" | "everywhere";
}

/** Who did what to what, and with which outcome. */
export default function AuditPage() {
  const workspace = useCurrentWorkspace();
  const [said, setSaid] = useState<Said>({ action: "", outcome: "", days: "", place: "everywhere" });
  const filters: AuditFilters = {
    action: said.action,
    outcome: said.outcome,
    actor: "",
    workspaceId: said.place === "workspace" ? (workspace?.id ?? "") : "",
    // By the hour, so that it is the same question until there is something new to ask.
    since: said.days === "" ? undefined : Math.floor(Date.now() / 1_000 / HOUR_S) * HOUR_S - Number(said.days) * DAY_S,
  };
  const change = (part: Partial<Said>) => setSaid((before) => ({ ...before, ...part }));
  return (
    <Page
      title="Audit"
      lead="What was done, by whom, and what was refused. Nothing can be changed here afterwards without being found out."
      actions={
        <ExportButton path={auditExportPath(filters)} name="narthex-audit.jsonl">
          Export
        </ExportButton>
      }
    >
      <div className="grid grid-cols-2 gap-2 sm:flex sm:[&>*]:w-40">
        <Select small label="Actions" value={said.action} choices={KINDS} onChange={(action) => change({ action })} />
        <Select
          small
          label="Outcome"
          value={said.outcome}
          choices={[
            { value: "", name: "Any outcome" },
            ...Object.entries(OUTCOMES).map(([value, { name }]) => ({ value, name })),
          ]}
          onChange={(outcome) => change({ outcome })}
        />
        <Select small label="Time" value={said.days} choices={SPANS} onChange={(days) => change({ days })} />
        <Select
          small
          label="Where"
          value={said.place}
          choices={[
            { value: "everywhere", name: "Everywhere" },
            { value: "workspace", name: workspace?.name ?? "This workspace" },
          ]}
          onChange={(place) => change({ place: place as Said["place"] })}
        />
      </div>
      <Entries filters={filters} />
    </Page>
  );
}

function Entries({ filters }: { filters: AuditFilters }) {
  const entries = useInfiniteQuery(auditQuery(filters));
  const names = useNames();
  if (entries.isPending) return <Loading what="the audit log" rows={6} />;
  if (entries.isError) return <Refused error={entries.error} again={() => void entries.refetch()} />;
  const shown = entries.data.pages.flatMap(({ data }) => data);
  if (shown.length === 0) return <Empty title="Nothing of that was done">Choose other actions or a longer time.</Empty>;
  return (
    <div>
      <Table label="Audit log" columns={COLUMNS}>
        {shown.map((entry) => (
          <EntryRow key={entry.seq} entry={entry} names={names} />
        ))}
      </Table>
      <ShowOlder list={entries} />
    </div>
  );
}

function EntryRow({ entry, names }: { entry: AuditEntry; names: ReadonlyMap<string, string> }) {
  const { name, tone } = OUTCOMES[entry.outcome];
  const details = detailText(entry.details);
  return (
    <Row>
      <NameCell>
        <span className="font-mono font-medium">{entry.action}</span>
        {details && (
          <span className="mt-0.5 block max-w-72 truncate text-small text-ink-3" title={details}>
            {details}
          </span>
        )}
      </NameCell>
      <Cell name="Who">
        <span className="[overflow-wrap:anywhere]">{actorText(entry.actor, names)}</span>
      </Cell>
      <Cell name="To what">
        <span className="[overflow-wrap:anywhere]" title={entry.target}>
          {names.get(entry.target) ?? entry.target}
        </span>
      </Cell>
      <Cell name="Outcome">
        <Badge tone={tone}>{name}</Badge>
      </Cell>
      <Cell name="When">
        <time title={`Entry ${entry.seq}, request ${entry.request_id || "none"}`}>
          {formatMoment(entry.at / 1_000)}
        </time>
      </Cell>
    </Row>
  );
}
