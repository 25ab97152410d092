import { expect, test } from "vitest";
import type { LedgerEntry } from "@/control/ledger";
import { callsOf, wholeCalls } from "./calls";

function entry(part: Partial<LedgerEntry>): LedgerEntry {
  return {
    id: "x:0",
    created_at_ms: 0,
    kind: "call",
    status: "settled",
    request_id: "req_a",
    attempt: 0,
    way: "first",
    workspace_id: "ws_a",
    user_id: "",
    key_id: "local",
    end_user: "",
    tags: [],
    operation: "chat",
    surface: "openai",
    model: "demo/m",
    model_asked: "demo/m",
    code: "ok",
    requests: 1,
    input_tokens: 0,
    output_tokens: 0,
    cache_read_tokens: 0,
    cache_write_tokens: 0,
    reasoning_tokens: 0,
    images: 0,
    audio_ms: 0,
    estimated: false,
    cost_usd: "0",
    saved_usd: "0",
    duration_ms: 0,
    ...part,
  };
}

test("attempts of one call are one, with exact sums, and the answer stands for it", () => {
  const [one, other] = callsOf([
    entry({ attempt: 1, model: "b/m", cost_usd: "0.2", input_tokens: 3, output_tokens: 5 }),
    entry({ request_id: "req_b" }),
    entry({
      attempt: 0,
      requests: 0,
      status: "failed",
      model: "a/m",
      cost_usd: "0.1",
      input_tokens: 3,
      estimated: true,
    }),
  ]);
  expect(one).toMatchObject({ costUsd: "0.3", inputTokens: 6, outputTokens: 5, estimated: true, unpriced: false });
  expect(one?.main.model).toBe("b/m");
  expect(one?.entries).toHaveLength(2);
  expect(other?.requestId).toBe("req_b");
});

test("what has no price is told as such, and not as free", () => {
  const [none] = callsOf([entry({ cost_usd: null, input_tokens: 9 })]);
  expect(none).toMatchObject({ costUsd: null, unpriced: true });
  const [part] = callsOf([entry({ cost_usd: null, input_tokens: 9 }), entry({ attempt: 1, cost_usd: "1" })]);
  expect(part).toMatchObject({ costUsd: "1", unpriced: true });
});

test("a call that may go on in the next part waits for it", () => {
  const entries = [entry({}), entry({ request_id: "req_b" })];
  expect(wholeCalls(entries, true).map(({ requestId }) => requestId)).toEqual(["req_a"]);
  expect(wholeCalls(entries, false)).toHaveLength(2);
  expect(wholeCalls([entry({})], true)).toHaveLength(1);
});
