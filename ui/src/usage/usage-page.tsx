import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Rows3 } from "lucide-react";
import { ExportButton } from "@/components/export-button";
import { Select } from "@/components/fields";
import { Page } from "@/components/page";
import { Empty, Loading, Refused } from "@/components/states";
import { useCurrentWorkspace } from "@/control/current";
import { DIMENSIONS } from "@/control/dimensions";
import { useWorkspaces } from "@/control/directory";
import { useMe } from "@/control/me";
import {
  type Asked,
  type Dimension,
  exportPath,
  type Step,
  type UsageAnswer,
  type UsageRow,
  usageQuery,
} from "@/control/usage";
import { formatCompact, formatCount } from "@/lib/format";
import { formatUsd, formatUsdShort } from "@/lib/money";
import { entriesOf, narrowed, toldApartBy, widened } from "./address";
import { Chart, colourOf, nameOfPeriod, Swatch } from "./chart";
import { FilterChips } from "./filter-chips";
import { type Label, useLabels } from "./labels";
import type { Address } from "./search";
import { SpanSelect } from "./span-select";
import { spanOf } from "./spans";
import { type Measure, type Stacks, stacksOf, startsOf } from "./stacks";
import { UsageFigures } from "./usage-figures";
import { UsageTable } from "./usage-table";

const MEASURES = [
  { value: "cost", name: "Cost" },
  { value: "tokens", name: "Tokens" },
  { value: "requests", name: "Requests" },
] as const;
const MINUTE_S = 60;

/** Who spent what on which model, and when. */
export default function UsagePage() {
  const workspaces = useWorkspaces();
  const workspace = useCurrentWorkspace();
  const said = useSearch({ from: "/usage" });
  const address: Address = { filters: workspace ? { workspace: workspace.id } : {}, ...said };
  const navigate = useNavigate({ from: "/usage" });
  const show = (next: Address) => void navigate({ search: next, resetScroll: false });
  const { span: word = "30d", by = "model", filters = {} } = address;
  // By the minute, so that it is the same question until there is something new to ask.
  const span = spanOf(word, Math.floor(Date.now() / 1_000 / MINUTE_S) * MINUTE_S);
  const me = useMe();
  const organisationId = me && !me.is_operator ? me.organisation_id : undefined;
  const asked: Asked = { from: span.from, to: span.to, filters, organisationId };
  const enabled = !workspaces.isPending;
  const parts = useQuery({ ...usageQuery({ ...asked, by }), enabled });
  const over = useQuery({ ...usageQuery({ ...asked, by, step: span.step }), enabled });
  const label = useLabels();
  const failed = parts.error ?? over.error;
  const again = () => void Promise.all([parts.refetch(), over.refetch()]);
  return (
    <Page
      title="Usage"
      lead="Who spent what on which model, and when. Days are those of UTC."
      actions={
        <>
          <Link
            to="/ledger"
            search={entriesOf(address)}
            className="inline-flex h-9 items-center gap-2 rounded-m px-3.5 text-body font-medium text-ink-2 transition-colors hover:bg-hover hover:text-ink"
          >
            <Rows3 className="size-4" aria-hidden="true" />
            Every call
          </Link>
          <ExportButton path={exportPath({ ...asked, by, step: span.step })} name="narthex-usage.csv">
            Export CSV
          </ExportButton>
        </>
      }
    >
      <Controls address={address} onShow={show} label={label} />
      {failed && <Refused error={failed} again={again} />}
      {!failed && (parts.isPending || over.isPending) && <Loading what="usage" />}
      {!failed && parts.data && over.data && (
        <Shown
          address={{ ...address, by }}
          asked={asked}
          step={span.step}
          parts={parts.data}
          over={over.data.rows}
          label={label}
          onShow={show}
        />
      )}
    </Page>
  );
}

interface ShownProps {
  address: Address & { by: Dimension };
  asked: Asked;
  step: Step;
  parts: UsageAnswer;
  over: UsageRow[];
  label: Label;
  onShow: (address: Address) => void;
}

function Shown({ address, asked, step, parts, over, label, onShow }: ShownProps) {
  const { by } = address;
  const { filters } = asked;
  const sums = parts.total;
  if (sums.requests + sums.input_tokens + sums.output_tokens + sums.failures === 0) {
    return (
      <Empty title="Nothing was used in this time">
        {Object.keys(filters).length > 0
          ? "Take a filter away, or choose a longer time."
          : "Call a model, in the playground or with a key, and what it used is here within seconds."}
      </Empty>
    );
  }
  const measure: Measure = address.measure ?? (sums.cost_microusd > 0 ? "cost" : "tokens");
  const data = stacksOf(over, by, measure, startsOf(step, asked.from, asked.to));
  return (
    <>
      <UsageFigures sums={sums} asked={asked} />
      <Drawn
        data={data}
        measure={measure}
        by={by}
        asked={asked}
        step={step}
        label={label}
        address={address}
        onShow={onShow}
      />
      <UsageTable
        rows={parts.rows}
        whole={sums}
        by={by}
        measure={measure}
        label={label}
        colours={new Map(data.series.map(({ value }, place) => [value, colourOf(place, value)]))}
        entriesOf={(value) => entriesOf(address, by, value)}
        onPick={(value) => onShow(narrowed(address, by, value))}
      />
    </>
  );
}

interface DrawnProps {
  data: Stacks;
  measure: Measure;
  by: Dimension;
  asked: Asked;
  step: Step;
  label: Label;
  address: Address;
  onShow: (address: Address) => void;
}

function Drawn({ data, measure, by, asked, step, label, address, onShow }: DrawnProps) {
  const format = measure === "cost" ? formatUsd : formatCount;
  const short = measure === "cost" ? formatUsdShort : formatCompact;
  const name = MEASURES.find(({ value }) => value === measure)?.name ?? "";
  return (
    <section
      aria-labelledby="over-time"
      className="rounded-l border border-line bg-sheet px-4 pt-3.5 pb-4 shadow-1 sm:px-5"
    >
      <div className="mb-3 flex flex-wrap items-center justify-between gap-x-6 gap-y-2">
        <h2 id="over-time" className="font-semibold">
          {name} by {DIMENSIONS[by].toLowerCase()}
        </h2>
        <fieldset className="inline-flex rounded-m border border-line bg-floor p-0.5">
          <legend className="sr-only">What is drawn</legend>
          {MEASURES.map((one) => (
            <button
              key={one.value}
              type="button"
              aria-pressed={one.value === measure}
              onClick={() => onShow({ ...address, measure: one.value })}
              className="h-6.5 rounded-s px-2.5 text-small font-medium text-ink-3 transition-colors hover:text-ink aria-pressed:bg-raised aria-pressed:text-ink aria-pressed:shadow-1"
            >
              {one.name}
            </button>
          ))}
        </fieldset>
      </div>
      {data.series.length === 0 ? (
        <p className="py-16 text-center text-ink-3">
          {measure === "cost" ? "None of it has a price that is known, or all of it was free." : "None in this time."}
        </p>
      ) : (
        <Chart
          data={data}
          step={step}
          nameOf={(value) => label(by, value)}
          format={format}
          formatShort={short}
          label={`${name} by ${DIMENSIONS[by].toLowerCase()}, ${nameOfPeriod("day", asked.from)} to ${nameOfPeriod("day", asked.to - 1)}`}
        />
      )}
      <ul className="mt-3 flex flex-wrap gap-x-4 gap-y-1.5 text-small text-ink-2">
        {data.series.map(({ value }, place) => (
          <li key={value ?? "rest"} className="flex min-w-0 items-center gap-1.5">
            <Swatch colour={colourOf(place, value)} />
            <span className="truncate">{label(by, value)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

interface ControlsProps {
  address: Address;
  onShow: (address: Address) => void;
  label: Label;
}

function Controls({ address, onShow, label }: ControlsProps) {
  return (
    <div className="flex flex-wrap items-center gap-2">
      <div className="w-40">
        <SpanSelect value={address.span} onChange={(span) => onShow({ ...address, span })} />
      </div>
      <div className="w-40">
        <Select
          small
          label="Told apart by"
          value={address.by ?? "model"}
          choices={Object.entries(DIMENSIONS).map(([value, name]) => ({ value, name: `By ${name.toLowerCase()}` }))}
          onChange={(by) => onShow(toldApartBy(address, by as Dimension))}
        />
      </div>
      <FilterChips
        filters={address.filters ?? {}}
        label={label}
        onRemove={(dimension) => onShow(widened(address, dimension))}
      />
    </div>
  );
}
