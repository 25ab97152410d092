import { type CacheOptions, StoredCache, type TextStore } from "./cache.js";

class MemoryStore implements TextStore {
  private readonly texts = new Map<string, string>();

  async keys(): Promise<string[]> {
    return [...this.texts.keys()];
  }

  async get(key: string): Promise<string | null> {
    return this.texts.get(key) ?? null;
  }

  async set(key: string, value: string): Promise<void> {
    this.texts.set(key, value);
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.texts.delete(key);
  }
}

/** Keeps streams for as long as the page lives. */
export function memoryCache(options: CacheOptions = {}): StoredCache {
  return new StoredCache(new MemoryStore(), { maxBytes: 16_777_216, ...options });
}
