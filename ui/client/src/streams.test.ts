import { expect, it, vi } from "vitest";
import { memoryCache } from "./cache/memory.js";
import { newId, Streams } from "./streams.js";
import { FakeGateway } from "./testing/gateway.js";

it("lists and forgets streams at the address it was given", async () => {
  const asked: string[] = [];
  const cache = memoryCache();
  await cache.append("one-stream", [{ seq: 1, name: "message", data: "x" }], true);
  const fetch = async (url: string | URL | Request, init?: RequestInit) => {
    asked.push(`${init?.method} ${url}`);
    return Response.json({ data: [{ id: "one-stream" }] });
  };
  const streams = new Streams({ url: "http://gate", fetch, cache });
  expect(await streams.list({ status: "running", limit: 5 })).toEqual([{ id: "one-stream" }]);
  await streams.delete("one-stream");
  expect(asked).toEqual([
    "GET http://gate/v1/streams?status=running&limit=5",
    "DELETE http://gate/v1/streams/one-stream",
  ]);
  expect((await cache.read("one-stream")).events).toEqual([]);
});

it("tells a refusal with its code", async () => {
  const streams = new Streams({ fetch: new FakeGateway().fetch });
  await expect(streams.progress("nowhere-1")).rejects.toMatchObject({ code: "stream_not_found", status: 404 });
});

it("makes IDs that the server takes, with TLS and without", () => {
  for (const crypto of [globalThis.crypto, { getRandomValues: (bytes: Uint8Array) => bytes.fill(7) }]) {
    vi.stubGlobal("crypto", crypto);
    expect(newId()).toMatch(/^[A-Za-z0-9_-]{8,64}$/);
    vi.unstubAllGlobals();
  }
});
