import { DIMENSIONS } from "@/control/dimensions";
import type { Dimension, Filters } from "@/control/usage";
import { isSpanWord, type SpanWord } from "./span-words";
import type { Measure } from "./stacks";

/** What the page shows, as it stands in its address: it can be shared, and survives a reload. */
export interface Address {
  span?: SpanWord;
  by?: Dimension;
  measure?: Measure;
  /** Where nothing is said of filters, it is about the current workspace; where none are left, about all. */
  filters?: Filters;
}

const MEASURES: readonly string[] = ["cost", "tokens", "requests"];

export function isDimension(word: unknown): word is Dimension {
  return typeof word === "string" && word in DIMENSIONS;
}

function filtersIn(said: object): Filters {
  const found = Object.entries(said).filter(([name, value]) => isDimension(name) && typeof value === "string");
  return Object.fromEntries(found) as Filters;
}

/** Reads an address; what it does not know is left out. */
export function addressIn(search: Record<string, unknown>): Address {
  const address: Address = {};
  if (isSpanWord(search.span)) address.span = search.span;
  if (isDimension(search.by)) address.by = search.by;
  if (typeof search.measure === "string" && MEASURES.includes(search.measure))
    address.measure = search.measure as Measure;
  if (typeof search.filters === "object" && search.filters !== null) address.filters = filtersIn(search.filters);
  return address;
}
