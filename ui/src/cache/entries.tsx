import { useInfiniteQuery } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import { type ReactNode, useState } from "react";
import { Badges } from "@/components/badge";
import { Button, IconButton } from "@/components/button";
import { Confirm } from "@/components/modal";
import { SearchField } from "@/components/search-field";
import { ShowOlder } from "@/components/show-older";
import { Empty, Loading, Refused } from "@/components/states";
import { ActionCell, Cell, NameCell, Row, Table } from "@/components/table";
import { type CacheStats, deleteEntry, type Entry, entriesQuery } from "@/control/cache";
import { useDoing, useWorkspaces } from "@/control/directory";
import { useMay } from "@/control/me";
import { formatBytes, formatCount } from "@/lib/format";
import { formatExact } from "@/lib/money";
import { SectionHeading } from "@/overview/overview-page";
import { EntrySheet } from "./entry-sheet";
import { Standing } from "./standing";
import { savedBy, spanText } from "./words";

const COLUMNS = [
  { name: "Answer" },
  { name: "State" },
  { name: "Used", figures: true },
  { name: "Age", figures: true },
  { name: "Size", figures: true },
  { name: "Saved", figures: true },
  { name: "Actions", unnamed: true },
];
const ORDERS = [
  { value: "top", name: "Most used" },
  { value: "latest", name: "Latest" },
] as const;

const SHOWN = 8;

interface EntriesProps {
  stats: CacheStats;
  /** Told what came of it when one was let go of. */
  onGone: (said: string) => void;
}

/** What lies in memory: what is used most, or the latest; each opens to what it says. */
export function Entries({ stats, onGone }: EntriesProps) {
  const [order, setOrder] = useState<"top" | "latest">("top");
  const [all, setAll] = useState(false);
  const [opened, setOpened] = useState<Entry>();
  const [deleting, setDeleting] = useState<Entry>();
  const table = (entries: Entry[], label: string) => (
    <EntryTable
      entries={entries}
      label={label}
      everything={stats.everything}
      onOpen={setOpened}
      onDelete={setDeleting}
    />
  );
  return (
    <section aria-labelledby="entries">
      <SectionHeading id="entries" title="Answers in memory">
        <fieldset className="inline-flex rounded-m border border-line bg-floor p-0.5">
          <legend className="sr-only">Which are shown</legend>
          {ORDERS.map(({ value, name }) => (
            <button
              key={value}
              type="button"
              aria-pressed={value === order}
              onClick={() => setOrder(value)}
              className="h-6.5 rounded-s px-2.5 text-small font-medium text-ink-3 transition-colors hover:text-ink aria-pressed:bg-raised aria-pressed:text-ink aria-pressed:shadow-1"
            >
              {name}
            </button>
          ))}
        </fieldset>
      </SectionHeading>
      {order === "latest" && <Latest table={table} />}
      {order === "top" && stats.top.length > 0 && (
        <>
          {table(stats.top.slice(0, all ? undefined : SHOWN), "Most used answers")}
          {!all && stats.top.length > SHOWN && (
            <Button look="ghost" className="mt-2" onClick={() => setAll(true)}>
              Show {stats.top.length - SHOWN} more
            </Button>
          )}
        </>
      )}
      {order === "top" && stats.top.length === 0 && (
        <Empty title="No answer was given again yet">
          What is kept stands under Latest; once one of them is asked for again it is here.
        </Empty>
      )}
      <EntrySheet
        entry={opened}
        onClose={() => setOpened(undefined)}
        onDelete={(entry) => {
          setOpened(undefined);
          setDeleting(entry);
        }}
      />
      {deleting && <Deleting entry={deleting} onGone={onGone} onClose={() => setDeleting(undefined)} />}
    </section>
  );
}

function Latest({ table }: { table: (entries: Entry[], label: string) => ReactNode }) {
  const [model, setModel] = useState("");
  const [tag, setTag] = useState("");
  const entries = useInfiniteQuery(entriesQuery({ model, tag }));
  const found = entries.data?.pages.flatMap(({ data }) => data) ?? [];
  return (
    <>
      <div className="mb-3 grid gap-2 sm:max-w-120 sm:grid-cols-2">
        <SearchField label="Model, as provider/model" value={model} onSearch={setModel} />
        <SearchField label="Tag" value={tag} onSearch={setTag} />
      </div>
      {entries.isPending && <Loading what="answers" />}
      {entries.isError && <Refused error={entries.error} again={() => void entries.refetch()} />}
      {entries.isSuccess && found.length > 0 && table(found, "Latest answers")}
      {entries.isSuccess && found.length === 0 && (
        <Empty title={model || tag ? "Nothing like that lies in memory" : "Nothing lies in memory"}>
          {model || tag
            ? "Models and tags are written whole here: provider/model, and a tag as the call gave it."
            : "Whole answers are kept as calls bring them; why one was not stands under Answers not kept."}
        </Empty>
      )}
      <ShowOlder list={entries} />
    </>
  );
}

interface EntryTableProps {
  entries: Entry[];
  label: string;
  everything: boolean;
  onOpen: (entry: Entry) => void;
  onDelete: (entry: Entry) => void;
}

function EntryTable({ entries, label, everything, onOpen, onDelete }: EntryTableProps) {
  const workspaces = new Map((useWorkspaces().data ?? []).map(({ id, name }) => [id, name]));
  const mayDelete = useMay("cache:write");
  return (
    <Table label={label} columns={COLUMNS}>
      {entries.map((entry) => (
        <Row key={entry.key}>
          <NameCell>
            <button
              type="button"
              onClick={() => onOpen(entry)}
              className="-ml-1 rounded-s px-1 text-left font-mono text-[0.78125rem] [overflow-wrap:anywhere] hover:text-accent-text"
            >
              <span className="sr-only">Open </span>
              {entry.key.slice(0, 12)}
            </button>
            <span className="mt-0.5 block text-small text-ink-2 [overflow-wrap:anywhere]">
              {entry.model}
              {everything && entry.workspace_id && (
                <span className="text-ink-3"> · {workspaces.get(entry.workspace_id) ?? entry.workspace_id}</span>
              )}
            </span>
            {entry.tags.length > 0 && (
              <span className="mt-1 block">
                <Badges words={entry.tags} none="" />
              </span>
            )}
          </NameCell>
          <Cell name="State">
            <Standing entry={entry} />
          </Cell>
          <Cell name="Used" figures>
            {formatCount(entry.uses)}
          </Cell>
          <Cell name="Age" figures>
            <span className="whitespace-nowrap">{spanText(entry.age_s)}</span>
          </Cell>
          <Cell name="Size" figures>
            <span className="whitespace-nowrap">{formatBytes(entry.bytes).join(" ")}</span>
          </Cell>
          <Cell name="Saved" figures>
            <span title={`$${savedBy(entry)}`}>{formatExact(savedBy(entry))}</span>
          </Cell>
          <ActionCell>
            {mayDelete && (
              <IconButton label={`Delete ${entry.key.slice(0, 12)}`} onClick={() => onDelete(entry)}>
                <Trash2 aria-hidden="true" />
              </IconButton>
            )}
          </ActionCell>
        </Row>
      ))}
    </Table>
  );
}

function Deleting({ entry, onGone, onClose }: { entry: Entry; onGone: (said: string) => void; onClose: () => void }) {
  const doing = useDoing(["cache"], deleteEntry);
  const done = () => {
    onGone("1 answer let go of.");
    onClose();
  };
  return (
    <Confirm
      open
      title="Delete this answer?"
      verb="Delete"
      busy={doing.isPending}
      error={doing.error}
      onConfirm={() => doing.mutate(entry.key, { onSuccess: done })}
      onClose={onClose}
    >
      The next call that asks for what <code className="font-mono text-ink">{entry.key.slice(0, 12)}</code> answers goes
      to <b className="font-medium text-ink">{entry.model}</b> again, at its price.
    </Confirm>
  );
}
