import { Link } from "@tanstack/react-router";
import { Rows3 } from "lucide-react";
import { useState } from "react";
import { Button } from "@/components/button";
import { ActionCell, Cell, NameCell, Row, Table } from "@/components/table";
import { DIMENSIONS } from "@/control/dimensions";
import type { Dimension, Sums, UsageRow } from "@/control/usage";
import { mediaTexts } from "@/ledger/words";
import { formatCompact, formatCount } from "@/lib/format";
import { formatUsd } from "@/lib/money";
import { Swatch } from "./chart";
import type { Label } from "./labels";
import type { Address } from "./search";
import { amountOf, type Measure, shareOf, valueIn } from "./stacks";

const SHOWN = 25;

interface UsageTableProps {
  rows: UsageRow[];
  whole: Sums;
  by: Dimension;
  measure: Measure;
  label: Label;
  colours: ReadonlyMap<string | null, string>;
  /** Where the entries of one row are. */
  entriesOf: (value: string) => Pick<Address, "span" | "filters">;
  onPick: (value: string) => void;
}

/** Who or what it was, with its share; picking one narrows to it. */
export function UsageTable({ rows, whole, by, measure, label, colours, entriesOf, onPick }: UsageTableProps) {
  const [all, setAll] = useState(false);
  const ranked = rows.toSorted((one, other) => amountOf(other, measure) - amountOf(one, measure));
  const columns = [
    { name: DIMENSIONS[by] },
    { name: "Cost", figures: true },
    { name: "Share", figures: true },
    { name: "Input tokens", figures: true },
    { name: "Output tokens", figures: true },
    { name: "Requests", figures: true },
    { name: "Entries", unnamed: true },
  ];
  return (
    <div>
      <Table label={`Usage by ${DIMENSIONS[by].toLowerCase()}`} columns={columns}>
        {(all ? ranked : ranked.slice(0, SHOWN)).map((row) => (
          <UsageLine
            key={valueIn(row, by)}
            row={row}
            name={label(by, valueIn(row, by))}
            share={shareOf(amountOf(row, measure), amountOf(whole, measure))}
            colour={colours.get(valueIn(row, by)) ?? colours.get(null) ?? "transparent"}
            entries={entriesOf(valueIn(row, by))}
            onPick={() => onPick(valueIn(row, by))}
          />
        ))}
        <UsageLine row={whole} name="Total" share="100 %" />
      </Table>
      {by === "tag" && (
        <p className="mt-2 text-small text-ink-3">
          A call with several tags is in each of their rows; the total has it once.
        </p>
      )}
      {!all && ranked.length > SHOWN && (
        <Button look="ghost" className="mt-2" onClick={() => setAll(true)}>
          Show {formatCount(ranked.length - SHOWN)} more
        </Button>
      )}
    </div>
  );
}

interface UsageLineProps {
  row: Sums;
  name: string;
  share: string;
  colour?: string;
  entries?: Pick<Address, "span" | "filters">;
  onPick?: () => void;
}

function UsageLine({ row, name, share, colour, entries, onPick }: UsageLineProps) {
  return (
    <Row>
      <NameCell>
        <span className="flex items-center gap-2.5">
          {colour && <Swatch colour={colour} />}
          {onPick ? (
            <button
              type="button"
              onClick={onPick}
              className="min-w-0 rounded-s text-left font-medium [overflow-wrap:anywhere] hover:text-accent-text hover:underline"
            >
              {name}
            </button>
          ) : (
            <span className="font-semibold">{name}</span>
          )}
        </span>
      </NameCell>
      <Cell name="Cost" figures>
        <span title={`$${row.cost_usd}`}>{formatUsd(row.cost_microusd / 1_000_000)}</span>
        {row.unpriced_attempts > 0 && <span className="block text-small text-warn-text">not all priced</span>}
        {row.estimated_attempts > 0 && <span className="block text-small text-ink-3">in part estimated</span>}
      </Cell>
      <Cell name="Share" figures>
        {share}
      </Cell>
      <Cell name="Input tokens" figures>
        <span title={formatCount(row.input_tokens)}>{formatCompact(row.input_tokens)}</span>
      </Cell>
      <Cell name="Output tokens" figures>
        <span title={formatCount(row.output_tokens)}>{formatCompact(row.output_tokens)}</span>
        {mediaTexts(row).map((text) => (
          <span key={text} className="block text-small text-ink-3">
            {text}
          </span>
        ))}
      </Cell>
      <Cell name="Requests" figures>
        {formatCompact(row.requests)}
      </Cell>
      <ActionCell>
        {entries && (
          <Link
            to="/ledger"
            search={entries}
            aria-label={`Every call of ${name}`}
            data-hint="Every call"
            className="inline-flex size-8 items-center justify-center rounded-m text-ink-3 transition-colors hover:bg-hover hover:text-ink"
          >
            <Rows3 className="size-4" aria-hidden="true" />
          </Link>
        )}
      </ActionCell>
    </Row>
  );
}
