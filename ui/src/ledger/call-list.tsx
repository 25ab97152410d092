import { useInfiniteQuery } from "@tanstack/react-query";
import { ChevronRight } from "lucide-react";
import { Fragment, type KeyboardEvent, useId, useState } from "react";
import { Badge } from "@/components/badge";
import { ShowOlder } from "@/components/show-older";
import { Empty, Loading, Refused } from "@/components/states";
import { Cell, NameCell, Row, Table } from "@/components/table";
import { type EntriesAsked, entriesQuery } from "@/control/ledger";
import { placesOf } from "@/lib/decimals";
import { formatCompact, formatCount } from "@/lib/format";
import { formatClock, formatWeekday } from "@/lib/time";
import type { Label } from "@/usage/labels";
import { CallDetails } from "./call-details";
import { type LedgerCall, wholeCalls } from "./calls";
import { Cost } from "./cost";
import { STATUSES } from "./words";

const COLUMNS = [
  { name: "When" },
  { name: "Who" },
  { name: "Model" },
  { name: "Outcome" },
  { name: "Tokens", figures: true },
  { name: "Cost", figures: true },
];

interface CallListProps {
  asked: EntriesAsked;
  label: Label;
}

/** The calls, day by day; each opens to its attempts. */
export function CallList({ asked, label }: CallListProps) {
  const entries = useInfiniteQuery(entriesQuery(asked));
  if (entries.isPending) return <Loading what="the ledger" rows={8} />;
  if (entries.isError) return <Refused error={entries.error} again={() => void entries.refetch()} />;
  const calls = wholeCalls(
    entries.data.pages.flatMap(({ data }) => data),
    entries.hasNextPage,
  );
  if (calls.length === 0) return <NoCalls asked={asked} />;
  const places = Math.max(0, ...calls.map(({ costUsd }) => placesOf(costUsd ?? "")));
  return (
    <div>
      <Table label="Calls" columns={COLUMNS}>
        {daysOf(calls).map(([day, ofDay]) => (
          <Fragment key={day}>
            <tr className="border-b border-line bg-floor max-md:block">
              <td
                colSpan={COLUMNS.length}
                className="py-1.5 pr-4 pl-5 text-small font-medium text-ink-2 max-md:block max-md:pl-4"
              >
                {day}
              </td>
            </tr>
            {ofDay.map((call) => (
              <CallRow key={call.requestId} call={call} asked={asked} label={label} places={places} />
            ))}
          </Fragment>
        ))}
      </Table>
      <ShowOlder list={entries} />
    </div>
  );
}

function NoCalls({ asked: { request, filters } }: { asked: EntriesAsked }) {
  if (request) {
    return (
      <Empty title="No such request">
        Nothing is written under this ID here. It may belong to another workspace, or its entry is on its way: the
        ledger is written within seconds.
      </Empty>
    );
  }
  return (
    <Empty title="No calls in this time">
      {Object.keys(filters).length > 0
        ? "Take a filter away, or choose a longer time."
        : "Call a model, in the playground or with a key, and its entry is here within seconds."}
    </Empty>
  );
}

function daysOf(calls: readonly LedgerCall[]): [string, LedgerCall[]][] {
  const days = new Map<string, LedgerCall[]>();
  for (const call of calls) {
    const day = formatWeekday(call.main.created_at_ms / 1_000);
    days.set(day, [...(days.get(day) ?? []), call]);
  }
  return [...days];
}

const CALL = "button[data-call]";

/** The arrow keys go from call to call. */
function onKeyDown(event: KeyboardEvent<HTMLButtonElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined) return;
  const all = [...(event.currentTarget.closest("table")?.querySelectorAll<HTMLElement>(CALL) ?? [])];
  event.preventDefault();
  all[all.indexOf(event.currentTarget) + step]?.focus();
}

interface CallRowProps {
  call: LedgerCall;
  asked: EntriesAsked;
  label: Label;
  places: number;
}

function CallRow({ call, asked, label, places }: CallRowProps) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const { main, entries } = call;
  const at = main.created_at_ms / 1_000;
  const status = STATUSES[main.status];
  return (
    <>
      <Row>
        <NameCell>
          <button
            type="button"
            data-call=""
            aria-expanded={open}
            aria-controls={id}
            onClick={() => setOpen(!open)}
            onKeyDown={onKeyDown}
            className="-ml-1.5 flex items-center gap-1.5 rounded-s font-medium tabular hover:text-accent-text"
          >
            <ChevronRight
              className={`size-3.5 shrink-0 text-ink-3 transition-transform ${open ? "rotate-90" : ""}`}
              aria-hidden="true"
            />
            <time dateTime={new Date(main.created_at_ms).toISOString()}>{formatClock(at)}</time>
          </button>
        </NameCell>
        <Cell name="Who">
          <Who call={call} label={label} />
        </Cell>
        <Cell name="Model">
          <span className="font-mono text-[0.78125rem] [overflow-wrap:anywhere]">{main.model || "None"}</span>
          {main.model_asked && main.model_asked !== main.model && (
            <span className="block text-small text-ink-3 [overflow-wrap:anywhere]">asked for {main.model_asked}</span>
          )}
        </Cell>
        <Cell name="Outcome">
          <Badge tone={status.tone}>{status.name}</Badge>
          {entries.length > 1 && (
            <span className="block pt-0.5 text-small text-ink-3">{formatCount(entries.length)} attempts</span>
          )}
        </Cell>
        <Cell name="Tokens" figures>
          <span
            title={`${formatCount(call.inputTokens)} in, ${formatCount(call.outputTokens)} out`}
            className="md:whitespace-nowrap"
          >
            {formatCompact(call.inputTokens)} <span className="text-ink-3">in,</span> {formatCompact(call.outputTokens)}{" "}
            <span className="text-ink-3">out</span>
          </span>
        </Cell>
        <Cell name="Cost" figures>
          <Cost usd={call.costUsd} places={places} />
          <CostNotes call={call} />
        </Cell>
      </Row>
      {open && <CallDetails id={id} call={call} asked={asked} label={label} columns={COLUMNS.length} />}
    </>
  );
}

/** By whom, and with what; the caller's own user where it named one. */
function Who({ call: { main }, label }: { call: LedgerCall; label: Label }) {
  const key = label("key", main.key_id);
  const first = main.user_id ? label("user", main.user_id) : key;
  const notes = [...(main.user_id ? [key] : []), ...(main.end_user ? [`for ${main.end_user}`] : [])];
  return (
    <>
      <span className="font-medium [overflow-wrap:anywhere]">{first}</span>
      {notes.length > 0 && (
        <span className="block text-small text-ink-3 [overflow-wrap:anywhere]">{notes.join(", ")}</span>
      )}
    </>
  );
}

function CostNotes({ call }: { call: LedgerCall }) {
  return (
    <>
      {call.estimated && <span className="block text-small text-warn-text">estimated</span>}
      {call.costUsd !== null && call.unpriced && (
        <span className="block text-small text-warn-text">not all priced</span>
      )}
      {Number(call.savedUsd) > 0 && <span className="block text-small text-good-text">saved ${call.savedUsd}</span>}
    </>
  );
}
