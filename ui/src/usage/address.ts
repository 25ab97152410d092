import type { Dimension } from "@/control/dimensions";
import type { Address } from "./search";

/** What is looked at after one value was picked: what follows from who to what and back. */
const FOLLOWING: Dimension[] = ["model", "key", "user", "workspace", "operation"];

/** Narrows to one value, and tells it apart by the next thing that is not settled yet. */
export function narrowed(address: Address, by: Dimension, value: string): Address {
  const filters = { ...address.filters, [by]: value };
  const next = FOLLOWING.find((dimension) => !(dimension in filters));
  return { ...address, filters, ...(next ? { by: next } : {}) };
}

export function widened(address: Address, dimension: Dimension): Address {
  const { [dimension]: _, ...filters } = address.filters ?? {};
  return { ...address, filters };
}

/** Tells apart by another dimension; what was narrowed to one value of it is widened, or there would be one row. */
export function toldApartBy(address: Address, by: Dimension): Address {
  return { ...widened(address, by), by };
}

/** Where the entries are that sums are made of: of all that is shown, or of one value of it. */
export function entriesOf(address: Address, by?: Dimension, value?: string): Pick<Address, "span" | "filters"> {
  const { span, filters = {} } = address;
  const narrowed = by === undefined || value === undefined ? filters : { ...filters, [by]: value };
  return { ...(span ? { span } : {}), filters: narrowed };
}
