import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Badge } from "@/components/badge";
import { CopyButton } from "@/components/code-block";
import { Refused } from "@/components/states";
import { callQuery, type EntriesAsked, type LedgerEntry } from "@/control/ledger";
import { placesOf } from "@/lib/decimals";
import { formatDuration } from "@/lib/format";
import { formatMoment } from "@/lib/time";
import type { Label } from "@/usage/labels";
import { callOf, type LedgerCall } from "./calls";
import { Cost } from "./cost";
import { STATUSES, tokensText, wayText } from "./words";

interface CallDetailsProps {
  id: string;
  call: LedgerCall;
  asked: EntriesAsked;
  label: Label;
  columns: number;
}

/** All that the ledger has of one call: its facts, and each attempt, those that a filter leaves out included. */
export function CallDetails({ id, call, asked, label, columns }: CallDetailsProps) {
  const all = useQuery(callQuery(call.requestId, asked));
  const entries = all.data && all.data.length > 0 ? all.data : call.entries.toReversed();
  return (
    <tr id={id} className="border-b border-line bg-floor last:border-0 max-md:block">
      <td colSpan={columns} className="px-5 py-4 max-md:block max-md:px-4">
        <Facts call={call} label={label} />
        <h3 className="mt-4 mb-1.5 text-small font-medium text-ink-3">
          {entries.length === 1 ? "The attempt" : `${entries.length} attempts, in their order`}
        </h3>
        {all.error && <Refused error={all.error} again={() => void all.refetch()} />}
        <Attempts entries={entries} />
      </td>
    </tr>
  );
}

function Facts({ call: { main, requestId }, label }: { call: LedgerCall; label: Label }) {
  return (
    <dl className="grid gap-x-8 gap-y-2.5 text-body sm:grid-cols-2 lg:grid-cols-4">
      <Fact name="Request" wide>
        <span className="flex items-center gap-1">
          <span className="truncate font-mono text-[0.78125rem]" title={requestId}>
            {requestId}
          </span>
          <CopyButton text={requestId} />
        </span>
      </Fact>
      <Fact name="Received">{formatMoment(main.created_at_ms / 1_000)}</Fact>
      <Fact name="Cache">
        {main.kind === "cache" ? (
          "Answered from it"
        ) : (
          <Link
            to="/cache"
            search={{ request: requestId }}
            className="text-accent-text underline-offset-2 hover:underline"
          >
            Why not from it?
          </Link>
        )}
      </Fact>
      <Fact name="Workspace">{label("workspace", main.workspace_id)}</Fact>
      <Fact name="Asked for">
        <span className="font-mono text-[0.78125rem] [overflow-wrap:anywhere]">{main.model_asked || "no model"}</span>
        <span className="block text-small text-ink-3">
          {main.operation}, {main.surface}
        </span>
      </Fact>
      {main.end_user && <Fact name="End user">{main.end_user}</Fact>}
      {main.tags.length > 0 && <Fact name="Tags">{main.tags.join(", ")}</Fact>}
    </dl>
  );
}

function Fact({ name, wide = false, children }: { name: string; wide?: boolean; children: ReactNode }) {
  return (
    <div className={`min-w-0 ${wide ? "sm:col-span-2" : ""}`}>
      <dt className="text-small text-ink-3">{name}</dt>
      <dd className="min-w-0 [overflow-wrap:anywhere]">{children}</dd>
    </div>
  );
}

function Attempts({ entries }: { entries: LedgerEntry[] }) {
  const places = Math.max(0, ...entries.map(({ cost_usd }) => placesOf(cost_usd ?? "")));
  const { costUsd } = callOf(entries);
  return (
    <ol className="overflow-hidden rounded-m border border-line bg-sheet">
      {entries.map((entry) => (
        <Attempt key={entry.id} entry={entry} places={places} />
      ))}
      {entries.length > 1 && (
        <li className="flex justify-between gap-4 px-3.5 py-2.5 font-semibold tabular">
          <span>Together</span>
          <Cost usd={costUsd} places={places} />
        </li>
      )}
    </ol>
  );
}

function Attempt({ entry, places }: { entry: LedgerEntry; places: number }) {
  const status = STATUSES[entry.status];
  return (
    <li className="border-b border-line px-3.5 py-2.5 last:border-0">
      <div className="flex flex-wrap items-baseline gap-x-3 gap-y-1">
        <span className="font-medium">{wayText(entry)}</span>
        <span className="min-w-0 font-mono text-[0.78125rem] [overflow-wrap:anywhere] text-ink-2">{entry.model}</span>
        <span title={status.note}>
          <Badge tone={status.tone}>{status.name}</Badge>
        </span>
        {entry.estimated && <Badge tone="warn">Estimated</Badge>}
        <span className="ml-auto tabular">
          <Cost usd={entry.cost_usd} places={places} />
        </span>
      </div>
      <p className="mt-0.5 text-small text-ink-3 tabular">
        {tokensText(entry)}; {formatDuration(entry.duration_ms)}
        {entry.code !== "ok" && (
          <>
            ; code <span className="font-mono text-ink-2">{entry.code}</span>
          </>
        )}
        {Number(entry.saved_usd) > 0 && `; $${entry.saved_usd} saved`}
      </p>
    </li>
  );
}
