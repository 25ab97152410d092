import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { keepApiKey, signInWanted } from "@/lib/credentials";
import { Failure } from "@/lib/failures";
import { call, callForAll, callForFile, factsOf, withQuery } from "./call";

const answer = vi.fn<(path: string, init: RequestInit) => Promise<Response>>();

beforeEach(() => vi.stubGlobal("fetch", answer));
afterEach(() => {
  vi.unstubAllGlobals();
  answer.mockReset();
  keepApiKey(null);
});

describe("a query", () => {
  test("leaves out what is not given, and gives a list member by member", () => {
    expect(withQuery("/api/usage", { by: ["model", "key"], period: "day", key: undefined, after: null })).toBe(
      "/api/usage?by=model&by=key&period=day",
    );
  });
  test("is nothing where nothing is asked for", () => {
    expect(withQuery("/api/keys", { after: "" })).toBe("/api/keys");
  });
  test("escapes what stands for something else in an address", () => {
    expect(withQuery("/x", { model: "a/b & c" })).toBe("/x?model=a%2Fb+%26+c");
  });
});

describe("a call", () => {
  test("carries the key, the body and the version that was read", async () => {
    keepApiKey("nx-1");
    answer.mockResolvedValue(Response.json({ id: "ws_1" }));
    await expect(call("/api/workspaces/ws_1", { method: "PATCH", body: { name: "A" }, version: 3 })).resolves.toEqual({
      id: "ws_1",
    });
    const [, init] = answer.mock.calls[0] ?? [];
    expect(init).toMatchObject({ method: "PATCH", body: '{"name":"A"}' });
    expect(init?.headers).toMatchObject({ authorization: "Bearer nx-1", "if-match": '"3"' });
  });
  test("of no content returns nothing", async () => {
    answer.mockResolvedValue(new Response(null, { status: 204 }));
    await expect(call("/api/x", { method: "DELETE" })).resolves.toBeUndefined();
  });
  test("fails with the facts of the error body", async () => {
    const error = { message: "changed meanwhile", code: "version_conflict", param: null, request_id: "req_1" };
    answer.mockResolvedValue(Response.json({ error }, { status: 412 }));
    const failure = await call("/api/x").catch((thrown: unknown) => thrown);
    expect(factsOf(failure)).toMatchObject({ code: "version_conflict", status: 412, requestId: "req_1" });
  });
  test("asks for a sign-in where the server knows nobody", async () => {
    answer.mockResolvedValue(Response.json({ error: { message: "who?", code: "invalid_api_key" } }, { status: 401 }));
    await expect(call("/api/x")).rejects.toBeInstanceOf(Failure);
    expect(signInWanted.get()).toBe(true);
    signInWanted.set(false);
  });
  test("that never arrives says so", async () => {
    answer.mockRejectedValue(new TypeError("failed"));
    expect(factsOf(await call("/api/x").catch((thrown: unknown) => thrown)).code).toBe("server_unreachable");
  });
});

test("a list is read to its end, part by part", async () => {
  answer
    .mockResolvedValueOnce(Response.json({ object: "list", data: [1, 2], has_more: true, next: "c" }))
    .mockResolvedValueOnce(Response.json({ object: "list", data: [3], has_more: false, next: null }));
  await expect(callForAll("/api/keys", { workspace_id: "ws_1" })).resolves.toEqual([1, 2, 3]);
  expect(answer.mock.calls.map(([path]) => path)).toEqual([
    "/api/keys?workspace_id=ws_1&limit=100",
    "/api/keys?workspace_id=ws_1&limit=100&after=c",
  ]);
});

test("a file has the name that the server gives it", async () => {
  answer.mockResolvedValue(
    new Response("a,b", { headers: { "content-disposition": 'attachment; filename="usage.csv"' } }),
  );
  const file = await callForFile("/api/usage/export", "x.csv");
  expect([file.name, await file.text()]).toEqual(["usage.csv", "a,b"]);
});
