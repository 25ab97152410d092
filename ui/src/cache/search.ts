/** What the page shows, as it stands in its address. */
export interface CacheAddress {
  /** ID of the request that is asked about. */
  request?: string;
}

/** Reads an address; what it does not know is left out. */
export function cacheAddressIn({ request }: Record<string, unknown>): CacheAddress {
  return typeof request === "string" && /^[\w:.-]{1,200}$/.test(request) ? { request } : {};
}
