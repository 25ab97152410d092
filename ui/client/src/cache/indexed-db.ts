import { type CacheOptions, StoredCache, type TextStore } from "./cache.js";

const TABLE = "texts";

function answerOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function committed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = () => reject(transaction.error);
    // Where the quota is used up it is the commit that fails, not the write.
    transaction.onabort = () => reject(transaction.error);
  });
}

class IndexedStore implements TextStore {
  private database: Promise<IDBDatabase> | undefined;

  constructor(
    private readonly name: string,
    private readonly factory: () => IDBFactory,
  ) {}

  async keys(): Promise<string[]> {
    const keys = await answerOf((await this.table("readonly")).getAllKeys());
    return keys.map(String);
  }

  async get(key: string): Promise<string | null> {
    const value: unknown = await answerOf((await this.table("readonly")).get(key));
    return typeof value === "string" ? value : null;
  }

  async set(key: string, value: string): Promise<void> {
    const table = await this.table("readwrite");
    table.put(value, key);
    await committed(table.transaction);
  }

  async delete(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    const table = await this.table("readwrite");
    for (const key of keys) table.delete(key);
    await committed(table.transaction);
  }

  private async table(mode: IDBTransactionMode): Promise<IDBObjectStore> {
    this.database ??= this.open();
    return (await this.database).transaction(TABLE, mode).objectStore(TABLE);
  }

  private async open(): Promise<IDBDatabase> {
    const request = this.factory().open(this.name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
    const database = await answerOf(request);
    // Another page wants to change or delete it: it must not wait for this one.
    database.onversionchange = () => database.close();
    return database;
  }
}

export interface IndexedDbOptions extends CacheOptions {
  /** Of the database. */
  name?: string;
  /** By default the browser's. */
  factory?: () => IDBFactory;
}

/** Keeps streams in IndexedDB, which all tabs share, which outlives the browser, and which has room for much. */
export function indexedDbCache({
  name = "narthex.streams",
  factory = () => globalThis.indexedDB,
  ...options
}: IndexedDbOptions = {}): StoredCache {
  return new StoredCache(new IndexedStore(name, factory), { maxBytes: 67_108_864, ...options });
}
