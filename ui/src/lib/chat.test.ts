import { afterEach, describe, expect, it, vi } from "vitest";
import { answerOf, type ChatEvent, type ChatRequest, streams } from "./chat";
import { apiKey, signInWanted } from "./credentials";
import { Failure } from "./failures";

const REQUEST: ChatRequest = {
  model: "local/smollm2",
  messages: [{ role: "user", content: "Hello" }],
  stream: true,
  stream_options: { include_usage: true },
};

const chunk = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const TEXT = chunk({ choices: [{ index: 0, delta: { content: "Hi" } }] });
const FINISH = chunk({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] });
const USAGE = chunk({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 1 } });
const DONE = "data: [DONE]\n\n";

const EVENTS = { "content-type": "text/event-stream" };

function answerWith(body: BodyInit | null, init: ResponseInit = {}) {
  const fetch = vi.fn(
    async (_url: string, _init: RequestInit) =>
      new Response(body, { ...init, headers: { ...EVENTS, ...(init.headers as Record<string, string>) } }),
  );
  vi.stubGlobal("fetch", fetch);
  return fetch;
}

async function collect(): Promise<{ events: ChatEvent[]; error: unknown }> {
  const events: ChatEvent[] = [];
  const stream = streams.start("/v1/chat/completions", { ...REQUEST });
  try {
    for await (const event of answerOf(stream)) events.push(event);
  } catch (error) {
    return { events, error };
  }
  return { events, error: undefined };
}

afterEach(() => {
  vi.unstubAllGlobals();
  apiKey.set(null);
  signInWanted.set(false);
});

describe("streamChat", () => {
  it("yields text, finish reason and usage of a whole answer", async () => {
    answerWith(TEXT + FINISH + USAGE + DONE, {
      headers: { "x-request-id": "req_1", "x-narthex-dropped": "seed, top_k", "x-narthex-usage": "estimated" },
    });
    const { events, error } = await collect();
    expect(error).toBeUndefined();
    expect(events).toEqual([
      {
        kind: "opened",
        opening: { requestId: "req_1", model: undefined, dropped: ["seed", "top_k"], usageEstimated: true },
      },
      { kind: "text", choice: 0, text: "Hi" },
      { kind: "finished", choice: 0, reason: "stop" },
      { kind: "usage", inputTokens: 5, outputTokens: 1 },
    ]);
  });

  it.each([
    ["nothing after the text", TEXT],
    ["a finish reason but no end", TEXT + FINISH],
    ["an end but no finish reason", TEXT + DONE],
    ["nothing at all", ""],
  ])("never takes a stream with %s for a whole answer", async (_name, body) => {
    answerWith(body, { headers: { "x-request-id": "req_2" } });
    const { error } = await collect();
    expect(error).toBeInstanceOf(Failure);
    expect((error as Failure).facts).toMatchObject({ code: "stream_cut", requestId: "req_2" });
  });

  it("reports a connection that breaks midway as cut", async () => {
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new TypeError("network error")),
      start: (controller) => controller.enqueue(new TextEncoder().encode(TEXT)),
    });
    answerWith(body);
    const { error } = await collect();
    expect((error as Failure).facts.code).toBe("stream_cut");
  });

  it("reports an error that the server sends midway with its own code", async () => {
    answerWith(TEXT + chunk({ error: { message: "It stalled.", code: "provider_timeout", request_id: "req_3" } }));
    const { events, error } = await collect();
    expect(events.at(-1)).toEqual({ kind: "text", choice: 0, text: "Hi" });
    expect((error as Failure).facts).toMatchObject({ code: "provider_timeout", requestId: "req_3" });
  });

  it("reads the error body of a refusal and asks for a key on 401", async () => {
    answerWith(JSON.stringify({ error: { message: "No.", type: "authentication_error", code: "invalid_api_key" } }), {
      status: 401,
    });
    const { error } = await collect();
    expect((error as Failure).facts).toMatchObject({ code: "invalid_api_key", status: 401 });
    expect(signInWanted.get()).toBe(true);
  });

  it("says so when the error body is not readable", async () => {
    answerWith("<html>", { status: 418 });
    expect(((await collect()).error as Failure).facts).toMatchObject({ code: "http_418", status: 418 });
  });

  it("says so when the server does not answer", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("refused")));
    expect(((await collect()).error as Failure).facts.code).toBe("server_unreachable");
  });

  it("sends the key of this tab", async () => {
    apiKey.set("sk-test");
    const fetch = answerWith(TEXT + FINISH + DONE);
    await collect();
    expect(fetch.mock.calls[0]?.[1].headers).toMatchObject({ authorization: "Bearer sk-test" });
  });

  it("shows the first of several answers only", async () => {
    answerWith(chunk({ choices: [{ index: 1, delta: { content: "other" } }] }) + TEXT + FINISH + DONE);
    expect((await collect()).events.filter((event) => event.kind === "text")).toHaveLength(1);
  });
});
