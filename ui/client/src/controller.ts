import { Backoff, RETRY, type RetryOptions, wait } from "./backoff.js";
import type { StreamCache } from "./cache/cache.js";
import { type ChatDelta, chatDeltas } from "./chat.js";
import { failureIn, isEnd, numberOf, type StreamEvent } from "./events.js";
import { clientError, errorOf, StreamError } from "./failures.js";
import { type Gate, isPassing, retryAfterMs } from "./gate.js";
import { Keeper } from "./keeper.js";
import { hasEnded, type OnDisconnect, type StreamReport } from "./report.js";
import { EventReader, type ServerEvent } from "./sse.js";

/**
 * How a stream stands for this reader. `done` is whole; `cancelled` was ended by somebody; `failed` is not whole, or could
 * not be read; `left` is no longer read by us.
 */
export type StreamState =
  | "connecting"
  | "streaming"
  | "paused"
  | "reconnecting"
  | "done"
  | "cancelled"
  | "failed"
  | "left";

export interface ReadOptions {
  /** Leaves the stream when it is aborted. What becomes of the call then is what `onDisconnect` says. */
  signal?: AbortSignal;
  retry?: RetryOptions;
  /** Keeps the events, so that a page that is loaded again shows them at once. */
  cache?: StreamCache;
  /** After how many milliseconds without a byte a connection is taken for dead, where leaving it ends nothing. */
  idleMs?: number;
}

/** The call that begins a stream. */
export interface Call {
  route: string;
  body: Record<string, unknown>;
  headers: Record<string, string>;
  onDisconnect: OnDisconnect;
}

export interface Plan extends ReadOptions {
  id: string;
  /** None for a stream that was begun elsewhere. */
  call?: Call;
  /** Behind which event to begin. */
  after?: number;
}

const CONTROL_TRIES = 5;
const CONTROL_WAIT_MS = 150;

type Listener = (state: StreamState) => void;
/** Of one connection: the stream has ended; the connection came to its end, or broke, before the stream did. */
type Outcome = "ended" | "over" | "cut";

/**
 * One streamed answer: its events as they come, over as many connections as it takes, and its handle.
 *
 * It reads by itself from the start; whoever iterates gets all events from the first, each once and in order. The
 * iteration ends when the answer is whole and not otherwise: it throws a `StreamError` for an answer that failed, was
 * cancelled or was lost, after the events that came.
 */
export class StreamController implements AsyncIterable<StreamEvent> {
  /** The stream's ID: chosen here before the call, so that it is known before the first byte comes. */
  readonly id: string;
  private readonly events: StreamEvent[] = [];
  private readonly listeners = new Set<Listener>();
  private readonly waiting = new Set<() => void>();
  private readonly leaving = new AbortController();
  private readonly backoff: Backoff;
  private readonly keeper: Keeper;
  private now: StreamState = "connecting";
  private error: unknown;
  private head: Headers | undefined;
  private last: number;
  /** Whether the server has said that it keeps this stream. */
  private kept: boolean;
  /** Whether the call has been sent without our hearing what became of it. */
  private unsure = false;
  /** Whether the call was sent before: then an ID that is taken is ours. */
  private tried = false;
  /** Why the last connection failed. */
  private trouble: StreamError | undefined;

  /** Use `Streams.start` or `Streams.attach`. */
  constructor(
    private readonly gate: Gate,
    private readonly plan: Plan,
  ) {
    this.id = plan.id;
    this.last = plan.after ?? 0;
    this.kept = plan.call === undefined;
    this.backoff = new Backoff({ ...RETRY, ...plan.retry });
    this.keeper = new Keeper(plan.after ? undefined : plan.cache, plan.id);
    this.leaveWith(plan.signal);
    void this.run();
  }

  get state(): StreamState {
    return this.now;
  }

  /** Why the answer is not whole, if it is not. */
  get failure(): StreamError | undefined {
    return this.error instanceof StreamError ? this.error : undefined;
  }

  /** Headers of the answer that began the stream, once they are there; none if it was begun elsewhere. */
  get headers(): Headers | undefined {
    return this.head;
  }

  /** Number of the last event read. */
  get lastSeq(): number {
    return this.last;
  }

  get ended(): boolean {
    return this.now === "done" || this.now === "cancelled" || this.now === "failed" || this.now === "left";
  }

  /** Calls `listener` at each change of the state; returns what stops that. */
  onState(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Yields the events; see the class for how it ends. */
  async *[Symbol.asyncIterator](): AsyncGenerator<StreamEvent> {
    for (let next = 0; ; ) {
      for (let event = this.events[next]; event; event = this.events[next]) {
        next += 1;
        yield event;
      }
      if (this.ended) break;
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
    if (this.error !== undefined) throw this.error;
  }

  /** Yields what the events of a chat answer hold; ends as the iteration over events does. */
  async *deltas(): AsyncGenerator<ChatDelta> {
    for await (const event of this) yield* chatDeltas(event.data);
  }

  // -- its handle ------------------------------------------------------------------------------------------------

  /** Stops delivery to all readers; the server ends a call that is paused for too long. */
  pause(): Promise<StreamReport> {
    return this.control("pause");
  }

  /** Goes on after a pause. */
  resume(): Promise<StreamReport> {
    return this.control("resume");
  }

  /** Ends the call to the provider, for all readers; what was written stays. Of one that has ended, nothing changes. */
  async cancel(): Promise<void> {
    try {
      await this.control("cancel");
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      if (error.code === "stream_ended" || this.ended) return;
      if (error.status !== 404 && error.code !== "stream_not_kept") throw error;
      // Not kept, or not there yet: it ends with its connection.
      this.finish("cancelled", new StreamError({ code: "cancelled", message: "The call was cancelled." }));
      this.leaving.abort();
    }
  }

  /** Returns how the stream stands on the server, and how far it is. */
  async progress(): Promise<StreamReport> {
    return this.heed(await this.gate.value<StreamReport>("GET", this.path()));
  }

  /** Reads no further; the call goes on or ends, as `onDisconnect` says. */
  leave(reason: unknown = new DOMException("The stream was left.", "AbortError")): void {
    this.finish("left", reason);
    this.leaving.abort(reason);
  }

  private async control(verb: "pause" | "resume" | "cancel"): Promise<StreamReport> {
    for (let tries = 1; ; tries += 1) {
      try {
        return this.heed(await this.gate.value<StreamReport>("POST", `${this.path()}/${verb}`));
      } catch (error) {
        const early = this.now === "connecting" && error instanceof StreamError && error.status === 404;
        if (!early || tries === CONTROL_TRIES) throw error;
        // The call and its control travel apart: this one came first.
        await wait(CONTROL_WAIT_MS, this.leaving.signal);
      }
    }
  }

  private heed(report: StreamReport): StreamReport {
    if (report.status === "paused" && this.now === "streaming") this.change("paused");
    if (report.status === "running" && this.now === "paused") this.change("streaming");
    return report;
  }

  private path(): string {
    return `/v1/streams/${encodeURIComponent(this.id)}`;
  }

  // -- reading ---------------------------------------------------------------------------------------------------

  private async run(): Promise<void> {
    try {
      if (await this.recall()) return;
      while (!this.ended) {
        if ((await this.connect()) === "ended") return;
        await this.later();
      }
    } catch (error) {
      this.finish("failed", error);
    } finally {
      // What nobody reads any more is let go of.
      this.leaving.abort();
    }
  }

  /** Takes what the cache holds of a stream that was begun before; returns whether that is all of it. */
  private async recall(): Promise<boolean> {
    const { cache, call, after, id } = this.plan;
    if (call || after || !cache) return false;
    const { events, ended } = await cache.read(id);
    for (const event of events) if (!this.ended) this.take(event, true);
    if (ended && !this.ended) this.finish("done");
    return this.ended;
  }

  /** Reads one connection to its end. Lost connections are an outcome; what cannot be mended is thrown. */
  private async connect(): Promise<Outcome> {
    try {
      const response = await this.open();
      if (response === undefined) return "cut";
      const outcome = await this.read(response);
      return outcome === "over" && (await this.settled()) ? "ended" : outcome;
    } catch (error) {
      if (this.ended) return "ended";
      if (error instanceof StreamError && isPassing(error)) return this.passing(error);
      throw error;
    }
  }

  /** What went wrong now may be well later, if there is something to come back to. */
  private passing(error: StreamError): Outcome {
    if (error.status !== undefined && this.plan.call && !this.kept && !this.unsure) throw error;
    this.trouble = error;
    return "cut";
  }

  /** Asks for the answer or for the rest of it; returns nothing if that is to be done again. */
  private async open(): Promise<Response | undefined> {
    const { call } = this.plan;
    const asking = call !== undefined && !this.kept && !this.unsure;
    const response = await (asking ? this.send(call) : this.follow());
    if (!response.ok) return this.refused(response, asking);
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
      throw clientError("not_a_stream", "The answer is no stream of events.", { status: response.status });
    }
    this.unsure = false;
    this.kept ||= response.headers.get("x-narthex-stream-id") === this.id;
    if (asking) this.head = response.headers;
    this.change("streaming");
    return response;
  }

  private async refused(response: Response, asking: boolean): Promise<undefined> {
    const error = await errorOf(response);
    if (asking && error.code === "stream_exists" && this.tried) this.kept = true;
    else if (!asking && this.unsure && error.code === "stream_not_found") this.unsure = false;
    else {
      this.backoff.serverMs = retryAfterMs(response) ?? this.backoff.serverMs;
      throw error;
    }
    return undefined;
  }

  private async send(call: Call): Promise<Response> {
    const { signal } = this.leaving;
    const headers = {
      "content-type": "application/json",
      "x-narthex-stream-id": this.id,
      "x-narthex-on-disconnect": call.onDisconnect,
      ...call.headers,
    };
    try {
      return await this.gate.ask(call.route, { method: "POST", headers, body: JSON.stringify(call.body), signal });
    } catch (error) {
      this.unsure = this.tried = true;
      throw error;
    }
  }

  private follow(): Promise<Response> {
    const headers = { accept: "text/event-stream" };
    return this.gate.ask(`${this.path()}?after=${this.last}`, { headers, signal: this.leaving.signal });
  }

  /** Takes the events of one connection. */
  private async read(response: Response): Promise<Outcome> {
    let outcome: Outcome = "over";
    try {
      for await (const event of this.eventsOf(response)) {
        if (!this.takeNext(event)) return "cut";
        if (this.ended) return "ended";
      }
    } catch {
      outcome = "cut";
    }
    if (this.ended) return "ended";
    if (!this.kept) throw this.cut(outcome);
    return outcome;
  }

  private async *eventsOf(response: Response): AsyncGenerator<ServerEvent> {
    const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader();
    const parser = new EventReader();
    try {
      for (;;) {
        const { done, value } = await this.inTime(reader.read());
        if (done) return;
        yield* parser.feed(value);
        this.backoff.serverMs = parser.retryMs ?? this.backoff.serverMs;
      }
    } finally {
      void reader.cancel().catch(() => undefined);
    }
  }

  /** Waits no longer for a byte than a living connection takes. */
  private async inTime<T>(read: Promise<T>): Promise<T> {
    const { idleMs = 45_000, call } = this.plan;
    if (!this.kept || call?.onDisconnect !== "detach" || !Number.isFinite(idleMs)) return read;
    const idle = new AbortController();
    const dead = wait(idleMs, idle.signal).then(() => {
      if (idle.signal.aborted || this.now !== "streaming") return read;
      this.backoff.reset();
      throw clientError("stream_lost", "Nothing came.");
    });
    try {
      return await Promise.race([read, dead]);
    } finally {
      idle.abort();
    }
  }

  private cut(outcome: Outcome): StreamError {
    const what = outcome === "over" ? "The stream ended" : "The connection broke";
    return clientError("stream_cut", `${what} before the answer was complete.`, this.known());
  }

  private known(): { requestId: string | undefined } {
    return { requestId: this.head?.get("x-request-id") ?? undefined };
  }

  /** Whether the server says that all has been read: for answers whose last event does not tell. */
  private async settled(): Promise<boolean> {
    const report = await this.progress();
    if (!hasEnded(report) || report.last_seq > this.last) return false;
    const { error } = report;
    if (error) this.fail(new StreamError(error));
    else this.finish("done");
    return true;
  }

  /** Takes an event if it is the next one; returns false if there is a gap before it. */
  private takeNext(event: ServerEvent): boolean {
    const number = numberOf(event, this.id);
    this.kept ||= number !== undefined;
    // What is kept is numbered: this is a sign of life, with which a connection may begin.
    if (number === undefined && this.kept) return true;
    const seq = number ?? this.last + 1;
    if (seq > this.last + 1) return false;
    if (seq === this.last + 1) this.take({ seq, name: event.name, data: event.data }, false);
    return true;
  }

  private take(event: StreamEvent, cached: boolean): void {
    this.last = event.seq;
    this.events.push(event);
    this.backoff.reset();
    if (!cached) {
      if (this.kept) this.keeper.keep(event);
      if (this.now === "paused") this.change("streaming");
    }
    this.wake();
    const failure = failureIn(event, this.known());
    if (failure) this.fail(failure);
    else if (isEnd(event)) this.finish("done");
  }

  /** Waits before the next connection.
   *
   * @throws StreamError when it has been tried often enough.
   */
  private async later(): Promise<void> {
    const delay = this.backoff.next(this.kept);
    if (delay === undefined) throw this.kept || !this.trouble ? lost(this.trouble) : this.trouble;
    if (this.kept) this.change("reconnecting");
    await wait(delay, this.leaving.signal);
  }

  // -- its end ---------------------------------------------------------------------------------------------------

  private leaveWith(signal: AbortSignal | undefined): void {
    if (signal?.aborted) this.leave(signal.reason);
    else signal?.addEventListener("abort", () => this.leave(signal.reason), { signal: this.leaving.signal });
  }

  private fail(error: StreamError): void {
    this.finish(error.code === "cancelled" ? "cancelled" : "failed", error);
  }

  private finish(state: StreamState, error?: unknown): void {
    if (this.ended) return;
    this.error = error;
    void this.keeper.write(this.kept && state === "done");
    this.change(state);
  }

  private change(state: StreamState): void {
    if (this.now === state || this.ended) return;
    this.now = state;
    // First, so that nobody waits for ever because a listener throws.
    this.wake();
    for (const listener of [...this.listeners]) listener(state);
  }

  private wake(): void {
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const resolve of waiting) resolve();
  }
}

function lost(trouble: StreamError | undefined): StreamError {
  const why = trouble ? `: ${trouble.message}` : ".";
  return clientError("stream_lost", `The connection was lost and could not be had again${why}`);
}
