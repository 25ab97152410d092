import { useQuery } from "@tanstack/react-query";
import { type Choice, Select } from "@/components/fields";
import { SearchField } from "@/components/search-field";
import type { EntriesAsked } from "@/control/ledger";
import { type Dimension, usageQuery } from "@/control/usage";
import { FilterChips } from "@/usage/filter-chips";
import type { Label } from "@/usage/labels";
import { SpanSelect } from "@/usage/span-select";
import { valueIn } from "@/usage/stacks";
import type { LedgerAddress } from "./search";
import { STATUSES } from "./words";

const ALL = "all";
/** What is chosen from a list, and what is said where nothing is; other filters are shown as what can be taken away. */
const LISTED = { user: "Everybody", key: "All keys", model: "All models", status: "Any outcome" } as const;
type Listed = keyof typeof LISTED;

interface ControlsProps {
  address: LedgerAddress;
  asked: EntriesAsked;
  label: Label;
  onShow: (address: LedgerAddress) => void;
}

export function Controls({ address, asked, label, onShow }: ControlsProps) {
  const filters = asked.filters;
  const without = (dimension: Dimension) => {
    const { [dimension]: _, ...rest } = filters;
    return rest;
  };
  const choose = (dimension: Dimension, value: string) =>
    onShow({ ...address, filters: value === ALL ? without(dimension) : { ...filters, [dimension]: value.slice(1) } });
  const others = Object.fromEntries(Object.entries(filters).filter(([dimension]) => !(dimension in LISTED)));
  return (
    <div className="flex flex-col gap-2">
      <div className="grid grid-cols-2 gap-2 sm:grid-cols-3 lg:grid-cols-6">
        <SpanSelect value={address.span} onChange={(span) => onShow({ ...address, span })} />
        {(Object.keys(LISTED) as Listed[]).map((dimension) => (
          <ListedFilter
            key={dimension}
            dimension={dimension}
            asked={{ ...asked, filters: without(dimension) }}
            value={filters[dimension]}
            label={label}
            onChoose={(value) => choose(dimension, value)}
          />
        ))}
        <SearchField
          key={address.request}
          label="Request ID"
          value={address.request ?? ""}
          onSearch={(request) => {
            const { request: _, ...rest } = address;
            onShow(request ? { ...rest, request } : rest);
          }}
        />
      </div>
      <div className="flex flex-wrap gap-2 empty:hidden">
        <FilterChips
          filters={others}
          label={label}
          onRemove={(dimension) => onShow({ ...address, filters: without(dimension) })}
        />
      </div>
    </div>
  );
}

interface ListedFilterProps {
  dimension: Listed;
  /** What is shown but for this filter: only what occurs in it is offered. */
  asked: EntriesAsked;
  value: string | undefined;
  label: Label;
  onChoose: (value: string) => void;
}

const TOLD = { user: "Who", key: "Key", model: "Model", status: "Outcome" } as const;

function ListedFilter({ dimension, asked, value, label, onChoose }: ListedFilterProps) {
  const { from, to, filters, organisationId } = asked;
  const found = useQuery({
    ...usageQuery({ from, to, filters, organisationId, by: dimension }),
    enabled: dimension !== "status",
  });
  const values = new Set(
    dimension === "status" ? Object.keys(STATUSES) : found.data?.rows.map((row) => valueIn(row, dimension)),
  );
  if (value !== undefined) values.add(value);
  // An empty value is one too, hence the mark before each.
  const choices: Choice[] = [...values].map((one) => ({ value: `=${one}`, name: label(dimension, one) }));
  return (
    <Select
      small
      label={TOLD[dimension]}
      value={value === undefined ? ALL : `=${value}`}
      choices={[{ value: ALL, name: LISTED[dimension] }, ...choices]}
      onChange={onChoose}
    />
  );
}
