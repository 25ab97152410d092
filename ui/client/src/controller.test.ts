import { describe, expect, it, vi } from "vitest";
import { memoryCache } from "./cache/memory.js";
import type { StreamController, StreamState } from "./controller.js";
import type { StreamEvent } from "./events.js";
import { StreamError } from "./failures.js";
import { Streams } from "./streams.js";
import { chatLines, FakeGateway, type Line, refusal } from "./testing/gateway.js";
import { seeded } from "./testing/random.js";

const ROUTE = "/v1/chat/completions";
const RETRY = { baseMs: 1, capMs: 2 };
const LINES = chatLines("Grüße", ", 世界", " 🏛️", "!");

function streamsOf(gateway: FakeGateway): Streams {
  return new Streams({ fetch: gateway.fetch, headers: () => ({ authorization: "Bearer k" }) });
}

function start(gateway: FakeGateway, more: object = {}): StreamController {
  return streamsOf(gateway).start(ROUTE, { model: "m" }, { id: "stream-01", retry: RETRY, ...more });
}

async function readAll(stream: StreamController): Promise<{ events: StreamEvent[]; error: unknown }> {
  const events: StreamEvent[] = [];
  try {
    for await (const event of stream) events.push(event);
  } catch (error) {
    return { events, error };
  }
  return { events, error: undefined };
}

const numbered = (lines: readonly Line[]): StreamEvent[] =>
  lines.map(({ name = "message", data }, index) => ({ seq: index + 1, name, data }));

/** Returns a gateway whose stream is there as soon as it is asked for. */
function answering(lines: readonly Line[] = LINES): FakeGateway {
  const gateway = new FakeGateway();
  gateway.id = "stream-00";
  gateway.fate = ({ headers }) => {
    const id = headers["x-narthex-stream-id"];
    if (id && gateway.status === "waiting") {
      gateway.id = id;
      gateway.write(lines, true);
      gateway.id = undefined;
    }
    return undefined;
  };
  return gateway;
}

/** Lets a gateway decide on what happens to the first requests. */
function meets(gateway: FakeGateway, ...fates: ReturnType<FakeGateway["fate"]>[]): FakeGateway {
  const before = gateway.fate;
  gateway.fate = (asked, count) => {
    const own = before(asked, count);
    return fates.shift() ?? own;
  };
  return gateway;
}

describe("a whole answer", () => {
  it("is asked for under an ID chosen beforehand, to be written to its end, with the caller's headers", async () => {
    const gateway = answering();
    const stream = start(gateway);
    const { events, error } = await readAll(stream);
    expect(error).toBeUndefined();
    expect(events).toEqual(numbered(LINES));
    expect(stream.state).toBe("done");
    expect(stream.headers?.get("x-request-id")).toBe("req_1");
    expect(gateway.asked).toHaveLength(1);
    expect(gateway.asked[0]).toMatchObject({ method: "POST", path: ROUTE, body: { model: "m", stream: true } });
    expect(gateway.asked[0]?.headers).toMatchObject({
      authorization: "Bearer k",
      "x-narthex-stream-id": "stream-01",
      "x-narthex-on-disconnect": "detach",
    });
  });

  it("is the same for everyone who iterates, whenever they begin", async () => {
    const stream = start(answering());
    const [first, second] = await Promise.all([readAll(stream), readAll(stream)]);
    expect(first.events).toEqual(second.events);
    expect((await readAll(stream)).events).toEqual(first.events);
  });

  it("yields the deltas of a chat", async () => {
    const deltas = [];
    for await (const delta of start(answering(chatLines("a", "b"))).deltas()) deltas.push(delta);
    expect(deltas).toEqual([
      { kind: "text", choice: 0, text: "a" },
      { kind: "text", choice: 0, text: "b" },
      { kind: "finished", choice: 0, reason: "stop" },
      { kind: "usage", inputTokens: 3, outputTokens: 2 },
    ]);
  });

  it("ends where its server says that it has ended, if its last event does not tell", async () => {
    const lines = [{ name: "thing", data: "1" }];
    const gateway = answering(lines);
    expect(await readAll(start(gateway))).toEqual({ events: numbered(lines), error: undefined });
    expect(gateway.asked.map(({ method }) => method)).toEqual(["POST", "GET"]);
  });
});

describe("a connection that breaks", () => {
  it("costs nothing, wherever and however often it breaks", async () => {
    const random = seeded(11);
    for (let round = 0; round < 150; round += 1) {
      const gateway = answering();
      const cuts = Array.from({ length: 1 + Math.floor(random() * 6) }, () => {
        const kind = random();
        if (kind < 0.15) return "ended_early" as const;
        return { cutAfter: Math.floor(random() * 700) };
      });
      const stream = start(meets(gateway, ...cuts), { retry: { ...RETRY, attempts: 20 } });
      expect(await readAll(stream), `round ${round}`).toEqual({ events: numbered(LINES), error: undefined });
      expect(
        gateway.asked.filter(({ method }) => method === "POST"),
        `round ${round}`,
      ).toHaveLength(1);
    }
  });

  it("loses nothing to a sign of life that comes before the rest", async () => {
    const gateway = meets(answering(), { cutAfter: 200 });
    const fetch = gateway.fetch;
    gateway.fetch = async (input, init) => {
      const response = await fetch(input, init);
      if (!String(input).includes("after=")) return response;
      const rest = new Uint8Array(await response.arrayBuffer());
      const ping = new TextEncoder().encode('event: ping\ndata: {"type": "ping"}\n\n');
      return new Response(new Blob([ping, rest]), { headers: response.headers });
    };
    expect(await readAll(start(gateway))).toEqual({ events: numbered(LINES), error: undefined });
  });

  it("is told as such, and what comes twice is dropped", async () => {
    const gateway = new FakeGateway();
    const stream = start(gateway);
    const states: StreamState[] = [];
    stream.onState((state) => states.push(state));
    await vi.waitFor(() => expect(gateway.readers.size).toBe(1));
    gateway.write(LINES.slice(0, 2));
    for (const reader of gateway.readers) reader.error(new TypeError("network error"));
    gateway.readers.clear();
    // The server begins too early: the first two come again.
    gateway.fate = (asked) => {
      asked.path = asked.path.replace("after=2", "after=0");
      return undefined;
    };
    await vi.waitFor(() => expect(gateway.readers.size).toBe(1));
    gateway.write(LINES.slice(2), true);
    expect((await readAll(stream)).events).toEqual(numbered(LINES));
    expect(states).toEqual(["streaming", "reconnecting", "streaming", "done"]);
  });

  it("before the first byte is asked about, and the call is sent again only if it never arrived", async () => {
    const arrived = meets(answering(), "lost");
    expect((await readAll(start(arrived))).events).toEqual(numbered(LINES));
    expect(arrived.asked.map(({ method }) => method)).toEqual(["POST", "GET"]);

    const never = answering();
    const write = never.fate;
    never.fate = (asked, count) => (count === 1 ? "refused" : write(asked, count));
    expect((await readAll(start(never))).events).toEqual(numbered(LINES));
    expect(never.asked.map(({ method }) => method)).toEqual(["POST", "GET", "POST"]);
  });

  it("is a cut where the server keeps nothing, never a whole answer", async () => {
    const gateway = answering(LINES.slice(0, 2));
    gateway.keeps = false;
    const { events, error } = await readAll(start(gateway));
    expect(events).toHaveLength(2);
    expect(error).toMatchObject({ code: "stream_cut", requestId: "req_1" });
    expect(gateway.asked).toHaveLength(1);
  });

  it("is given up after so many tries that bring nothing", async () => {
    const gateway = meets(answering(), { cutAfter: 200 });
    const first = gateway.fate;
    gateway.fate = (asked, count) => (count > 1 ? "refused" : first(asked, count));
    const { error } = await readAll(start(gateway, { retry: { ...RETRY, attempts: 4 } }));
    expect(error).toMatchObject({ code: "stream_lost" });
    expect(gateway.asked).toHaveLength(1 + 4);
  });

  it("is not sought for long where there never was an answer", async () => {
    const gateway = new FakeGateway();
    gateway.fate = () => "refused";
    const { error } = await readAll(start(gateway));
    expect(error).toMatchObject({ code: "server_unreachable" });
    expect(gateway.asked).toHaveLength(3);
  });

  it("is sought again at once when the browser is online again", async () => {
    const target = new EventTarget();
    vi.stubGlobal("addEventListener", target.addEventListener.bind(target));
    vi.stubGlobal("removeEventListener", target.removeEventListener.bind(target));
    const stream = start(meets(answering(), { cutAfter: 300 }), { retry: { baseMs: 1e8, capMs: 1e8 } });
    stream.onState((state) => state === "reconnecting" && setTimeout(() => target.dispatchEvent(new Event("online"))));
    // The server's own `retry:` counts for more than the base.
    const waits = vi.spyOn(globalThis, "setTimeout");
    expect((await readAll(stream)).error).toBeUndefined();
    waits.mockRestore();
    vi.unstubAllGlobals();
  });

  it("that has gone silent is given up for a new one", async () => {
    const gateway = new FakeGateway();
    const stream = start(gateway, { idleMs: 20 });
    await vi.waitFor(() => expect(gateway.asked).not.toHaveLength(0));
    gateway.write(LINES.slice(0, 1));
    await vi.waitFor(() => expect(gateway.asked.length).toBeGreaterThan(2));
    gateway.write(LINES.slice(1), true);
    expect((await readAll(stream)).events).toEqual(numbered(LINES));
  });
});

describe("what cannot be mended", () => {
  it.each([
    [401, "invalid_api_key"],
    [404, "stream_not_found"],
    [410, "stream_expired"],
    [410, "events_forgotten"],
  ])("ends with status %d, %s", async (status, code) => {
    const gateway = meets(answering(), { cutAfter: 300 }, { answer: refusal(status, code) });
    const { events, error } = await readAll(start(gateway));
    expect(events.length).toBeGreaterThan(0);
    expect(error).toBeInstanceOf(StreamError);
    expect(error).toMatchObject({ code, status });
    expect(gateway.asked).toHaveLength(2);
  });

  it("but what passes is waited for", async () => {
    const gateway = meets(
      answering(),
      { cutAfter: 300 },
      { answer: refusal(503, "overloaded", { "retry-after": "0" }) },
    );
    expect((await readAll(start(gateway))).events).toEqual(numbered(LINES));
  });

  it("is a refusal of the call itself, and an answer that is no stream", async () => {
    const refused = meets(answering(), { answer: refusal(503, "overloaded") });
    expect((await readAll(start(refused))).error).toMatchObject({ code: "overloaded", status: 503 });
    expect(refused.asked).toHaveLength(1);
    const whole = meets(answering(), { answer: Response.json({}) });
    expect((await readAll(start(whole))).error).toMatchObject({ code: "not_a_stream" });
  });

  it("is an error that the answer ends with, in the words of each surface", async () => {
    const errors: [Line, string][] = [
      [{ data: '{"error": {"message": "It stalled.", "code": "provider_timeout"}}' }, "provider_timeout"],
      [
        { name: "error", data: '{"type": "error", "error": {"type": "overloaded_error", "message": "m"}}' },
        "overloaded_error",
      ],
      [{ name: "error", data: '{"type": "error", "code": "paused_too_long", "message": "m"}' }, "paused_too_long"],
      [
        { name: "response.failed", data: '{"response": {"error": {"code": "server_error", "message": "m"}}}' },
        "server_error",
      ],
    ];
    for (const [line, code] of errors) {
      const stream = start(answering([...LINES.slice(0, 1), line]));
      const { events, error } = await readAll(stream);
      expect(events).toHaveLength(2);
      expect(error).toMatchObject({ code });
      expect(stream.state).toBe("failed");
    }
  });
});

describe("the handle", () => {
  it("pauses, resumes and cancels, and tells the state", async () => {
    const gateway = new FakeGateway();
    const stream = start(gateway);
    await vi.waitFor(() => expect(gateway.readers.size).toBe(1));
    gateway.write(LINES.slice(0, 1));
    expect((await stream.pause()).status).toBe("paused");
    expect(stream.state).toBe("paused");
    await stream.resume();
    expect(stream.state).toBe("streaming");
    expect((await stream.progress()).last_seq).toBe(1);
    await stream.cancel();
    const { events, error } = await readAll(stream);
    expect(events).toHaveLength(2);
    expect(error).toMatchObject({ code: "cancelled" });
    expect(stream.state).toBe("cancelled");
    await stream.cancel();
    await expect(stream.pause()).rejects.toMatchObject({ code: "stream_ended", status: 409 });
  });

  it("cancels by the connection what the server does not keep", async () => {
    const gateway = new FakeGateway();
    gateway.keeps = false;
    const stream = start(gateway);
    await vi.waitFor(() => expect(gateway.readers.size).toBe(1));
    gateway.id = undefined;
    await stream.cancel();
    expect(gateway.readers.size).toBe(0);
    expect(stream.state).toBe("cancelled");
  });

  it("leaves without cancelling when the signal is aborted", async () => {
    const gateway = new FakeGateway();
    const abort = new AbortController();
    const stream = start(gateway, { signal: abort.signal });
    await vi.waitFor(() => expect(gateway.readers.size).toBe(1));
    gateway.write(LINES.slice(0, 1));
    const reading = readAll(stream);
    await vi.waitFor(() => expect(stream.lastSeq).toBe(1));
    abort.abort();
    expect(await reading).toMatchObject({ events: numbered(LINES.slice(0, 1)), error: { name: "AbortError" } });
    expect(stream.state).toBe("left");
    expect(gateway.status).toBe("running");
    expect(start(gateway, { signal: AbortSignal.abort() }).state).toBe("left");
  });
});

describe("attaching", () => {
  it("goes on behind a number", async () => {
    const gateway = new FakeGateway();
    gateway.id = "stream-02";
    gateway.write(LINES, true);
    const { events } = await readAll(streamsOf(gateway).attach("stream-02", { after: 2 }));
    expect(events).toEqual(numbered(LINES).slice(2));
  });

  it("shows at once what the cache has, goes on behind it, and asks nobody for a whole answer", async () => {
    const gateway = new FakeGateway();
    const cache = memoryCache();
    const first = start(gateway, { cache });
    await vi.waitFor(() => expect(gateway.readers.size).toBe(1));
    gateway.write(LINES.slice(0, 3));
    await vi.waitFor(async () => expect((await cache.read("stream-01")).events).toHaveLength(3));
    first.leave();

    const second = streamsOf(gateway).attach("stream-01", { cache });
    await vi.waitFor(() => expect(gateway.readers.size).toBe(1));
    expect(gateway.asked.at(-1)?.path).toBe("/v1/streams/stream-01?after=3");
    gateway.write(LINES.slice(3), true);
    expect(await readAll(second)).toEqual({ events: numbered(LINES), error: undefined });

    const asked = gateway.asked.length;
    expect((await readAll(streamsOf(gateway).attach("stream-01", { cache }))).events).toEqual(numbered(LINES));
    expect(gateway.asked).toHaveLength(asked);
  });

  it("keeps what it has and says so when the server has forgotten the rest", async () => {
    const cache = memoryCache();
    await cache.append("stream-01", numbered(LINES).slice(0, 2), false);
    const gateway = new FakeGateway();
    const stream = streamsOf(gateway).attach("stream-01", { cache });
    expect(await readAll(stream)).toMatchObject({
      events: numbered(LINES).slice(0, 2),
      error: { code: "stream_not_found" },
    });
  });
});
