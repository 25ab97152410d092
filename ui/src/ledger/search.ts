import { type Address, addressIn } from "@/usage/search";

/** What the page shows, as it stands in its address. */
export interface LedgerAddress extends Pick<Address, "span" | "filters"> {
  /** ID of the one request that is looked for. */
  request?: string;
}

/** Reads an address; what it does not know is left out. */
export function ledgerAddressIn(search: Record<string, unknown>): LedgerAddress {
  const { span, filters } = addressIn(search);
  const address: LedgerAddress = {};
  if (span) address.span = span;
  if (filters) address.filters = filters;
  if (typeof search.request === "string" && /^[\w:.-]{1,200}$/.test(search.request)) address.request = search.request;
  return address;
}
