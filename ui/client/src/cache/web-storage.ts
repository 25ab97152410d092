import { type CacheOptions, StoredCache, type TextStore } from "./cache.js";

class WebStore implements TextStore {
  constructor(
    private readonly open: () => Storage,
    private readonly prefix: string,
  ) {}

  async keys(): Promise<string[]> {
    const storage = this.open();
    const keys: string[] = [];
    for (let index = 0; index < storage.length; index += 1) {
      const key = storage.key(index);
      if (key?.startsWith(this.prefix)) keys.push(key.slice(this.prefix.length));
    }
    return keys;
  }

  async get(key: string): Promise<string | null> {
    return this.open().getItem(this.prefix + key);
  }

  async set(key: string, value: string): Promise<void> {
    this.open().setItem(this.prefix + key, value);
  }

  async delete(keys: readonly string[]): Promise<void> {
    const storage = this.open();
    for (const key of keys) storage.removeItem(this.prefix + key);
  }
}

export interface WebStorageOptions extends CacheOptions {
  /** Before all keys. */
  prefix?: string;
  /** By default `localStorage`; `sessionStorage` ends with the tab. */
  storage?: () => Storage;
}

/** Keeps streams in `localStorage`, which all tabs share and which outlives the browser, or in `sessionStorage`. */
export function webStorageCache({
  prefix = "narthex.stream/",
  storage = () => globalThis.localStorage,
  ...options
}: WebStorageOptions = {}): StoredCache {
  return new StoredCache(new WebStore(storage, prefix), options);
}
