import type { StreamReport, StreamStatus } from "../report.js";

export interface Line {
  name?: string;
  data: string;
}

export interface Asked {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: unknown;
}

/** What becomes of one request: bytes after which the connection breaks, an own answer, or none at all. */
export type Fate = { cutAfter: number } | { answer: Response } | "refused" | "lost" | "ended_early" | undefined;

/** A gateway that keeps one stream, and whose connections break where the test says. */
export class FakeGateway {
  readonly asked: Asked[] = [];
  readonly readers = new Set<ReadableStreamDefaultController<Uint8Array>>();
  status: StreamStatus = "waiting";
  error: StreamReport["error"] = null;
  id: string | undefined;
  /** Told of each request before it is answered. */
  fate: (asked: Asked, count: number) => Fate = () => undefined;
  retryMs = 1;
  keeps = true;
  private readonly lines: string[] = [];
  private closed = false;

  fetch = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const headers = init.headers as Record<string, string>;
    const body: unknown = init.body === undefined ? undefined : JSON.parse(String(init.body));
    const asked = { method: init.method ?? "GET", path: String(input), headers, body };
    this.asked.push(asked);
    const fate = this.fate(asked, this.asked.length);
    if (fate === "refused") throw new TypeError("refused");
    if (typeof fate === "object" && "answer" in fate) return fate.answer;
    const answer = this.answer(asked, fate, init.signal ?? undefined);
    if (fate === "lost") throw new TypeError("lost");
    return answer;
  };

  /** Adds events to the stream; the last ones of an answer close it. */
  write(lines: readonly Line[], closed = false): void {
    for (const line of lines) this.append(line);
    if (closed) this.close();
  }

  close(status: StreamStatus = "done"): void {
    this.closed = true;
    this.status = status;
    for (const reader of this.readers) reader.close();
    this.readers.clear();
  }

  private append({ name, data }: Line): void {
    const number = this.lines.length + 1;
    const retry = number === 1 && this.keeps ? `retry: ${this.retryMs}\n` : "";
    const id = this.keeps ? `${retry}id: ${this.id}:${number}\n` : "";
    const line = `${id}${name ? `event: ${name}\n` : ""}data: ${data}\n\n`;
    this.lines.push(line);
    if (this.status === "waiting") this.status = "running";
    for (const reader of this.readers) reader.enqueue(new TextEncoder().encode(line));
  }

  private answer(asked: Asked, fate: Fate, signal: AbortSignal | undefined): Response {
    const [path = "", query] = asked.path.split("?");
    if (asked.method === "POST" && !path.startsWith("/v1/streams")) return this.begin(asked, fate, signal);
    if (this.id === undefined || !path.startsWith(`/v1/streams/${this.id}`)) return refusal(404, "stream_not_found");
    const verb = path.split("/")[4];
    if (verb) return this.control(verb);
    if (asked.method === "DELETE") return Response.json({ deleted: true });
    const after = new URLSearchParams(query).get("after");
    return after === null ? Response.json(this.report()) : this.follow(Number(after), fate, signal);
  }

  private begin(asked: Asked, fate: Fate, signal: AbortSignal | undefined): Response {
    const id = asked.headers["x-narthex-stream-id"];
    if (this.keeps && this.id === id) return refusal(409, "stream_exists");
    this.id = id;
    return this.follow(0, fate, signal, { "x-request-id": "req_1" });
  }

  private follow(
    after: number,
    fate: Fate,
    signal: AbortSignal | undefined,
    headers: Record<string, string> = {},
  ): Response {
    if (after > this.lines.length) return refusal(400, "cursor_ahead");
    const kept: Record<string, string> = this.keeps ? { "x-narthex-stream-id": this.id ?? "" } : {};
    const all = { "content-type": "text/event-stream", ...kept, ...headers };
    return new Response(this.body(after, fate, signal), { headers: all });
  }

  private body(after: number, fate: Fate, signal: AbortSignal | undefined): ReadableStream<Uint8Array> {
    const bytes = new TextEncoder().encode(this.lines.slice(after).join(""));
    const cut = typeof fate === "object" && "cutAfter" in fate ? fate.cutAfter : undefined;
    let sent = false;
    let leave = () => {};
    return new ReadableStream<Uint8Array>({
      start: (reader) => {
        if (cut !== undefined || fate === "ended_early") return;
        reader.enqueue(bytes);
        if (this.closed) return reader.close();
        this.readers.add(reader);
        leave = () => void this.readers.delete(reader);
        signal?.addEventListener("abort", () => {
          if (this.readers.delete(reader)) reader.error(signal.reason);
        });
      },
      pull: (reader) => {
        if (fate === "ended_early") return reader.close();
        if (cut === undefined) return;
        if (sent) return reader.error(new TypeError("network error"));
        sent = true;
        reader.enqueue(bytes.slice(0, cut));
      },
      cancel: () => leave(),
    });
  }

  private control(verb: string): Response {
    if (this.closed) return refusal(409, "stream_ended");
    if (verb === "pause") this.status = "paused";
    if (verb === "resume") this.status = "running";
    if (verb === "cancel") {
      this.write([{ data: JSON.stringify({ error: { message: "Cancelled.", code: "cancelled" } }) }]);
      this.close("cancelled");
    }
    return Response.json(this.report());
  }

  private report(): Partial<StreamReport> {
    return { object: "stream", id: this.id ?? "", status: this.status, last_seq: this.lines.length, error: this.error };
  }
}

export function refusal(status: number, code: string, headers: Record<string, string> = {}): Response {
  return Response.json({ error: { message: `This is ${code}.`, code } }, { status, headers });
}

/** The events of a chat answer with these texts. */
export function chatLines(...texts: string[]): Line[] {
  const chunk = (value: unknown) => ({ data: JSON.stringify(value) });
  return [
    ...texts.map((content) => chunk({ choices: [{ index: 0, delta: { content } }] })),
    chunk({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }),
    chunk({ choices: [], usage: { prompt_tokens: 3, completion_tokens: texts.length } }),
    { data: "[DONE]" },
  ];
}
