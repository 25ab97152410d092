// @vitest-environment jsdom
import { beforeEach, describe, expect, it } from "vitest";
import type { StreamEvent } from "../events.js";
import { seeded } from "../testing/random.js";
import { StoredCache, type TextStore } from "./cache.js";
import { indexedDbCache } from "./indexed-db.js";
import { memoryCache } from "./memory.js";
import { webStorageCache } from "./web-storage.js";

const events = (from: number, to: number, size = 1): StreamEvent[] =>
  Array.from({ length: to - from + 1 }, (_, index) => ({ seq: from + index, name: "message", data: "x".repeat(size) }));

beforeEach(() => window.localStorage.clear());

const caches: [string, (options?: { maxBytes?: number; now?: () => number }) => StoredCache][] = [
  ["memory", memoryCache],
  ["web storage", webStorageCache],
];

describe.each(caches)("a cache in %s", (_name, make) => {
  it("gives back what was put in, in order, once each", async () => {
    const cache = make();
    await cache.append("stream-a", events(1, 3), false);
    await cache.append("stream-a", events(2, 5), true);
    await cache.append("stream-b", events(1, 1), false);
    expect(await cache.read("stream-a")).toEqual({ events: events(1, 5), ended: true });
    expect(await cache.read("stream-b")).toEqual({ events: events(1, 1), ended: false });
    expect(await cache.read("stream-c")).toEqual({ events: [], ended: false });
  });

  it("takes note of the end behind the last event", async () => {
    const cache = make();
    await cache.append("stream-a", events(1, 2), false);
    await cache.append("stream-a", [], true);
    expect(await cache.read("stream-a")).toEqual({ events: events(1, 2), ended: true });
  });

  it("shows nothing behind a gap", async () => {
    const cache = make();
    await cache.append("stream-a", events(1, 2), false);
    await cache.append("stream-a", events(4, 5), true);
    expect(await cache.read("stream-a")).toEqual({ events: events(1, 2), ended: false });
  });

  it("forgets the least recently used first, and holds no more than it may", async () => {
    let now = 0;
    const cache = make({ maxBytes: 700, now: () => ++now });
    await cache.append("stream-a", events(1, 1, 50), true);
    await cache.append("stream-b", events(1, 1, 50), true);
    await cache.read("stream-a");
    await cache.append("stream-c", events(1, 1, 150), true);
    expect((await cache.read("stream-b")).events).toEqual([]);
    expect((await cache.read("stream-a")).events).toHaveLength(1);
    expect((await cache.read("stream-c")).events).toHaveLength(1);
  });

  it("keeps the beginning of a stream that is too large", async () => {
    const cache = make({ maxBytes: 500 });
    await cache.append("stream-a", events(1, 1, 100), false);
    await cache.append("stream-a", events(2, 2, 300), false);
    await cache.append("stream-a", events(3, 3, 1), true);
    expect(await cache.read("stream-a")).toEqual({ events: events(1, 1, 100), ended: false });
  });

  it("forgets on demand", async () => {
    const cache = make();
    await cache.append("stream-a", events(1, 2), true);
    await cache.forget("stream-a");
    await cache.forget("stream-a");
    expect((await cache.read("stream-a")).events).toEqual([]);
  });

  it("is whole however two tabs write the same stream", async () => {
    const random = seeded(3);
    for (let round = 0; round < 40; round += 1) {
      const cache = make();
      const stream = `stream-${round}`;
      await Promise.all(
        [0, 1].map(async () => {
          for (let from = 1; from <= 20; ) {
            const to = Math.min(20, from + Math.floor(random() * 6));
            await cache.append(stream, events(from, to), to === 20);
            from = to + 1;
          }
        }),
      );
      expect(await cache.read(stream)).toEqual({ events: events(1, 20), ended: true });
    }
  });
});

describe("a browser that has no room", () => {
  it("costs the oldest streams, and then the cache, but never the answer", async () => {
    const storage = window.localStorage;
    let room = 260;
    const full: Storage = new Proxy(storage, {
      get: (target, name) => {
        if (name === "setItem")
          return (key: string, value: string) => {
            const taken = Array.from({ length: target.length }, (_, at) => target.getItem(target.key(at) ?? "") ?? "");
            if (taken.join("").length + value.length > room) throw new DOMException("full", "QuotaExceededError");
            target.setItem(key, value);
          };
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const cache = webStorageCache({ storage: () => full });
    await cache.append("stream-a", events(1, 1, 100), true);
    await cache.append("stream-b", events(1, 1, 100), true);
    expect((await cache.read("stream-a")).events).toEqual([]);
    expect((await cache.read("stream-b")).events).toHaveLength(1);
    room = 0;
    await cache.append("stream-c", events(1, 1), true);
    expect(await cache.read("stream-c")).toEqual({ events: [], ended: false });
  });

  it("or has switched storage off, does without", async () => {
    const off = () => {
      throw new DOMException("denied", "SecurityError");
    };
    for (const cache of [webStorageCache({ storage: off }), indexedDbCache({ factory: off })]) {
      await cache.append("stream-a", events(1, 2), true);
      expect(await cache.read("stream-a")).toEqual({ events: [], ended: false });
      await cache.forget("stream-a");
    }
  });
});

it("reads past what others have written under its keys", async () => {
  window.localStorage.setItem("narthex.stream/stream-a/1/2/10", "{broken");
  window.localStorage.setItem("narthex.stream/stream-a/1/1/10", '{"rows": [[1, "message", "x"], [2], "3"]}');
  window.localStorage.setItem("narthex.stream/odd", "7");
  window.localStorage.setItem("other", "7");
  expect(await webStorageCache().read("stream-a")).toEqual({ events: events(1, 1), ended: false });
});

it("goes on after a store that failed once", async () => {
  let failing = true;
  const texts = new Map<string, string>();
  const store: TextStore = {
    keys: async () => {
      if (failing) throw new Error("failed");
      return [...texts.keys()];
    },
    get: async (key) => texts.get(key) ?? null,
    set: async (key, value) => void texts.set(key, value),
    delete: async (keys) => keys.forEach((key) => void texts.delete(key)),
  };
  const cache = new StoredCache(store);
  await cache.append("stream-a", events(1, 1), false);
  failing = false;
  await cache.append("stream-a", events(1, 2), false);
  expect((await cache.read("stream-a")).events).toHaveLength(2);
});
