import { QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { exportPath, forecastQuery, NOTHING, queryOf, usageQuery } from "./usage";

const answer = vi.fn<(path: string) => Promise<Response>>();
const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });

beforeEach(() => vi.stubGlobal("fetch", answer));
afterEach(() => {
  vi.unstubAllGlobals();
  answer.mockReset();
  client.clear();
});

const asked = { from: 1, to: 2, filters: {}, organisationId: undefined };

test("a question is asked in the words of the API", () => {
  expect(queryOf({ filters: { workspace: "ws_a", model: "a/b" }, organisationId: "org_a" })).toEqual({
    workspace_id: ["ws_a"],
    model: ["a/b"],
  });
  expect(queryOf({ filters: { key: "key_a" }, organisationId: "org_a" })).toEqual({
    organisation_id: "org_a",
    key_id: ["key_a"],
  });
});

test("an empty value is asked for as one: calls that have none", async () => {
  expect(exportPath({ ...asked, by: "model", step: "day", filters: { user: "" } })).toBe(
    "/api/usage/export?what=usage&format=csv&from=1&to=2&by=model&period=day&user_id=",
  );
});

test("rows are read to their end, with the exact total beside them", async () => {
  const row = { ...NOTHING, start_at: null, by: { model: "a" } };
  const part = (more: boolean) =>
    Response.json({ data: [row], has_more: more, next: more ? "1" : null, total: { ...NOTHING, cost_usd: "3.1" } });
  answer.mockResolvedValueOnce(part(true)).mockResolvedValueOnce(part(false));
  const { rows, total } = await client.fetchQuery(usageQuery({ ...asked, by: "model" }));
  expect(rows).toHaveLength(2);
  expect(total.cost_usd).toBe("3.1");
  expect(answer.mock.calls[1]?.[0]).toBe("/api/usage?from=1&to=2&by=model&limit=1000&after=1");
});

test("a forecast is of what is filtered", async () => {
  answer.mockResolvedValue(Response.json({ expected_usd: "1" }));
  await client.fetchQuery(forecastQuery({ filters: { model: "a/b" }, organisationId: undefined }));
  expect(answer.mock.calls[0]?.[0]).toBe("/api/usage/forecast?period=month&model=a%2Fb");
});
