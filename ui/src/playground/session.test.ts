// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BrowserStorage } from "@/lib/browser-storage";
import { chatLines, FakeGateway, refusal } from "../../client/src/testing/gateway";
import { type AnswerTurn, requestFor, restore, schemaProblem, tokensPerSecond, UNTUNED } from "./conversation";
import { PlaygroundSession } from "./session";

const frame = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const text = (content: string) => frame({ choices: [{ index: 0, delta: { content } }] });
const END =
  frame({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }) +
  frame({ choices: [], usage: { prompt_tokens: 9, completion_tokens: 3 } }) +
  "data: [DONE]\n\n";

/** A server whose answer the test writes by hand. */
class Wire {
  readonly requests: Record<string, unknown>[] = [];
  private controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  fetch = async (url: string, init: RequestInit): Promise<Response> => {
    if (url.startsWith("/v1/streams")) return refusal(404, "stream_not_found");
    this.requests.push(JSON.parse(String(init.body)));
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.controller = controller;
        init.signal?.addEventListener("abort", () => controller.error(new DOMException("aborted", "AbortError")));
      },
      cancel: () => {
        this.controller = undefined;
      },
    });
    return new Response(body, {
      headers: { "content-type": "text/event-stream", "x-request-id": "req_9", "x-narthex-model": "local/smollm2" },
    });
  };

  push = async (data: string): Promise<void> => {
    await vi.waitFor(() => expect(this.controller).toBeDefined());
    this.controller?.enqueue(new TextEncoder().encode(data));
    await new Promise((resolve) => setTimeout(resolve));
  };

  close = (): void => {
    this.controller?.close();
    this.controller = undefined;
  };
}

let wire: Wire;
let session: PlaygroundSession;
let clock: number;

beforeEach(() => {
  window.sessionStorage.clear();
  wire = new Wire();
  clock = 0;
  vi.stubGlobal("fetch", wire.fetch);
  session = new PlaygroundSession(new BrowserStorage(() => window.sessionStorage), () => clock);
});
afterEach(() => vi.unstubAllGlobals());

const last = () => session.store.get().turns.at(-1) as AnswerTurn;

describe("PlaygroundSession", () => {
  it("streams an answer with its first-token time, usage and request ID", async () => {
    const sent = session.send("Hello", "local/smollm2");
    clock = 200;
    await wire.push(text("One"));
    clock = 1_200;
    await wire.push(text(" two") + END);
    await sent;
    expect(last()).toMatchObject({ state: "done", text: "One two", finishReason: "stop", requestId: "req_9" });
    expect(last()).toMatchObject({ firstTokenMs: 200, lastTokenMs: 1_200, usage: { input: 9, output: 3 } });
    expect(tokensPerSecond(last())).toBe(2);
  });

  it("stops: what came stays, marked as stopped, and what comes later is not taken", async () => {
    const sent = session.send("Hello", "m");
    await wire.push(text("Half"));
    session.stop();
    await sent;
    expect(last()).toMatchObject({ state: "stopped", text: "Half" });
    expect(last().failure).toBeUndefined();
  });

  it("shows a cut stream as broken, never as done", async () => {
    const sent = session.send("Hello", "m");
    await wire.push(text("Half"));
    wire.close();
    await sent;
    expect(last()).toMatchObject({
      state: "broken",
      text: "Half",
      failure: { code: "stream_cut", requestId: "req_9" },
    });
  });

  it("sends the whole conversation, but no answer that failed before it began", async () => {
    const first = session.send("One", "m");
    await wire.push("");
    wire.close();
    await first;
    expect(last().state).toBe("failed");
    const second = session.send("Two", "m");
    await wire.push(END);
    await second;
    expect(wire.requests[1]?.messages).toEqual([
      { role: "user", content: "One" },
      { role: "user", content: "Two" },
    ]);
  });

  it("asks again in place of the last answer", async () => {
    const first = session.send("One", "m");
    await wire.push(text("A") + END);
    await first;
    const again = session.regenerate("other");
    await wire.push(text("B") + END);
    await again;
    expect(session.store.get().turns).toHaveLength(2);
    expect(last()).toMatchObject({ text: "B", model: "other" });
  });

  it("edits an earlier prompt and forgets what came after it", async () => {
    const first = session.send("One", "m");
    await wire.push(text("A") + END);
    await first;
    const id = session.store.get().turns[0]?.id ?? "";
    const again = session.resend(id, "Uno", "m");
    await wire.push(text("B") + END);
    await again;
    expect(session.store.get().turns.map((turn) => turn.text)).toEqual(["Uno", "B"]);
  });

  it("sends one prompt at a time, and no empty one", async () => {
    await session.send("   ", "m");
    const first = session.send("One", "m");
    await session.send("Two", "m");
    await vi.waitFor(() => expect(wire.requests).toHaveLength(1));
    session.stop();
    await first;
  });

  it("keeps the conversation for this tab, and says so when its answer is to be had no more", async () => {
    const sent = session.send("Hello", "m");
    await wire.push(text("Half"));
    session.keep();
    const next = new PlaygroundSession(new BrowserStorage(() => window.sessionStorage));
    expect(next.store.get().turns.at(-1)).toMatchObject({ state: "writing", text: "Half" });
    await vi.waitFor(() => expect(next.store.get().turns.at(-1)).toMatchObject({ state: "broken", text: "Half" }));
    expect(next.store.get().turns.at(-1)).toMatchObject({ failure: { code: "stream_not_found" } });
    session.stop();
    await sent;
  });
});

describe("an answer that the server keeps", () => {
  const LINES = chatLines("One", " two", " three");
  let gateway: FakeGateway;

  beforeEach(() => {
    gateway = new FakeGateway();
    vi.stubGlobal("fetch", gateway.fetch);
  });

  const another = () => new PlaygroundSession(new BrowserStorage(() => window.sessionStorage), () => clock);
  const shown = (of: PlaygroundSession) => of.store.get().turns.at(-1) as AnswerTurn;
  const reading = (count: number) => vi.waitFor(() => expect(gateway.readers.size).toBe(count));

  it("goes on after a reload, and is the same as without", async () => {
    void session.send("Hello", "m");
    await reading(1);
    gateway.write(LINES.slice(0, 2));
    await vi.waitFor(() => expect(shown(session).text).toBe("One two"));
    session.keep();
    const next = another();
    expect(shown(next)).toMatchObject({ state: "writing", text: "One two" });
    await reading(2);
    gateway.write(LINES.slice(2), true);
    await vi.waitFor(() => expect(shown(next)).toMatchObject({ state: "done", text: "One two three" }));
    expect(shown(next)).toMatchObject({ finishReason: "stop", usage: { input: 3, output: 3 } });
    expect(gateway.asked.filter(({ path }) => path === "/v1/chat/completions")).toHaveLength(1);
  });

  it("is opened by its ID in a tab that knows nothing of it", async () => {
    gateway.id = "stream-77";
    gateway.write(LINES, true);
    await session.open("stream-77");
    expect(session.store.get().turns).toHaveLength(1);
    expect(last()).toMatchObject({ state: "done", text: "One two three", streamId: "stream-77" });
    await session.open("stream-77");
    expect(session.store.get().turns).toHaveLength(1);
  });

  it("is stopped for all who read it", async () => {
    void session.send("Hello", "m");
    await reading(1);
    gateway.write(LINES.slice(0, 1));
    session.keep();
    const next = another();
    await reading(2);
    next.stop();
    await vi.waitFor(() => expect(gateway.status).toBe("cancelled"));
    await vi.waitFor(() => expect(shown(session)).toMatchObject({ state: "stopped", stoppedElsewhere: true }));
    expect(shown(next).state).toBe("stopped");
    expect(shown(next).stoppedElsewhere).toBeUndefined();
  });

  it("is paused and resumed", async () => {
    void session.send("Hello", "m");
    await reading(1);
    await session.pauseOrResume();
    expect(session.live.get().state).toBe("paused");
    await session.pauseOrResume();
    expect(session.live.get().state).toBe("streaming");
    session.stop();
  });

  it("says so when the server could not be told to stop", async () => {
    void session.send("Hello", "m");
    await reading(1);
    gateway.fate = () => "refused";
    session.stop();
    await vi.waitFor(() => expect(last()).toMatchObject({ state: "stopped", failure: { code: "stop_failed" } }));
  });

  it("can be read on after its connection was lost", async () => {
    void session.send("Hello", "m");
    await reading(1);
    gateway.write(LINES.slice(0, 1));
    gateway.fate = () => ({ answer: refusal(401, "invalid_api_key") });
    for (const reader of gateway.readers) reader.error(new TypeError("network error"));
    gateway.readers.clear();
    await vi.waitFor(() => expect(last()).toMatchObject({ state: "broken", text: "One" }));
    gateway.fate = () => undefined;
    void session.readOn(last().id);
    await reading(1);
    gateway.write(LINES.slice(1), true);
    await vi.waitFor(() => expect(last()).toMatchObject({ state: "done", text: "One two three" }));
    expect(last().failure).toBeUndefined();
  });
});

describe("requestFor", () => {
  it("sends only the parameters that were set", () => {
    expect(requestFor("m", UNTUNED, [])).toEqual({
      model: "m",
      messages: [],
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  it("sends a schema that can be read, and leaves out one that cannot", () => {
    const on = { ...UNTUNED, schemaOn: true, system: "Be brief.", temperature: 0, maxTokens: 5, seed: 7 };
    expect(requestFor("m", on, [])).toMatchObject({
      messages: [{ role: "system", content: "Be brief." }],
      temperature: 0,
      max_completion_tokens: 5,
      seed: 7,
      response_format: { type: "json_schema", json_schema: { name: "answer", strict: true } },
    });
    expect(requestFor("m", { ...on, schemaText: "{" }, [])).not.toHaveProperty("response_format");
  });
});

describe("schemaProblem", () => {
  it("says why a schema cannot be sent", () => {
    expect(schemaProblem('{"type": "object"}')).toBeUndefined();
    expect(schemaProblem("{")).toBeTruthy();
    expect(schemaProblem("[]")).toContain("object");
  });
});

describe("restore", () => {
  it("starts anew when what was kept is not ours", () => {
    for (const kept of [null, "", "{", "7", "{}", '{"turns": 1}']) expect(restore(kept).turns).toEqual([]);
  });
});
