import { X } from "lucide-react";
import { DIMENSIONS } from "@/control/dimensions";
import type { Dimension, Filters } from "@/control/usage";
import type { Label } from "./labels";

interface FilterChipsProps {
  filters: Filters;
  label: Label;
  onRemove: (dimension: Dimension) => void;
}

/** What a page is narrowed to; each can be taken away. */
export function FilterChips({ filters, label, onRemove }: FilterChipsProps) {
  const shown = Object.entries(filters) as [Dimension, string][];
  return (
    <ul aria-label="Filters" className="contents">
      {shown.map(([dimension, value]) => (
        <li key={dimension} className="min-w-0">
          <button
            type="button"
            onClick={() => onRemove(dimension)}
            className="inline-flex h-8 max-w-full items-center gap-1.5 rounded-m border border-accent-line bg-accent-soft pr-2 pl-2.5 text-body text-accent-text transition-colors hover:border-accent sm:max-w-72"
          >
            <span className="sr-only">Remove the filter: </span>
            <span>{DIMENSIONS[dimension]}</span>
            <span className="truncate font-semibold">{label(dimension, value)}</span>
            <X className="size-3.5 shrink-0" aria-hidden="true" />
          </button>
        </li>
      ))}
    </ul>
  );
}
